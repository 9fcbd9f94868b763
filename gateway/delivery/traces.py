"""OpenTelemetry, where it is wanted: one trace for each call, sent when the call has ended.

The root span is the call; below it are its setup, the caller's turns, what the agent's tools took, and transfers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, StatusCode

from gateway import __version__
from gateway.events import (
    AgentUpdated,
    Bridged,
    CallEvent,
    Dtmf,
    Ended,
    Interrupted,
    NoInput,
    ProviderBroken,
    ProviderFault,
    ProviderRestored,
    RecordingStarted,
    RecordingStopped,
    SpeechStarted,
    SpeechStopped,
    ToolCalled,
    ToolOutput,
    Transcript,
    TransferFailed,
    TransferStarted,
)
from gateway.outcomes import Outcome

SPANS = {
    SpeechStarted.type: ("caller speaks", (SpeechStopped.type,)),
    ToolCalled.type: ("tool", (ToolOutput.type,)),
    TransferStarted.type: ("transfer", (TransferFailed.type, Bridged.type, Ended.type)),
    ProviderBroken.type: ("provider away", (ProviderRestored.type, Ended.type)),
    RecordingStarted.type: ("recording", (RecordingStopped.type, Ended.type)),
}
"""What begins a span, its name, and what ends it."""

POINTS = frozenset(
    one.type
    for one in (
        Interrupted, Transcript, Dtmf, ProviderFault, AgentUpdated, NoInput
    )
)  # fmt: skip
"""What becomes an event of the root span; of a transcript only whose it is."""

NAMES = ("call_id", "sip_call_id", "direction", "node", "trunk", "agent", "provider", "outcome", "caller", "called")
PRIVATE = frozenset({"text", "arguments", "output", "heard", "note"})
"""What was said, or given to tools: for records, not for traces."""

FAULTS = frozenset({Outcome.MEDIA_FAILED, Outcome.MEDIA_TIMEOUT, Outcome.NODE_DIED})
MOST_EVENTS = 2000


class Traces:
    """`tell` gets every event of every call."""

    def __init__(self, exporter: SpanExporter, node: str) -> None:
        resource = Resource.create(
            {"service.name": "voice-agent-gateway", "service.version": __version__, "service.instance.id": node}
        )
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("gateway")
        self._events: dict[str, list[CallEvent]] = defaultdict(list)

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        events = self._events[event.call_id]
        if len(events) < MOST_EVENTS or event.type == Ended.type:
            events.append(event)
        if event.type == Ended.type:
            del self._events[event.call_id]
            self._trace(events, record)

    def _trace(self, events: list[CallEvent], record: Mapping[str, Any]) -> None:
        ended, answered = record["ended_at"], record.get("answered_at")
        began, outcome = record.get("started_at", ended), str(record.get("outcome", ""))
        about = {f"call.{name}": record[name] for name in NAMES if record.get(name)}
        about |= {f"media.{name}": value for name, value in record.get("media", {}).items() if _plain(value)}
        name = f"call {record.get('agent', '')}".strip()
        root = self._tracer.start_span(name, start_time=_ns(began), attributes=about)
        inside = trace.set_span_in_context(root)
        if answered:
            self._tracer.start_span("setup", inside, start_time=_ns(began)).end(_ns(answered))
        opened: dict[str, list[Span]] = defaultdict(list)
        for event in events:
            self._end_spans(event, opened)
            data = {key: value for key, value in event.data.items() if _plain(value) and key not in PRIVATE}
            if event.type in SPANS:
                what = str(event.data.get("name") or event.data.get("target") or "")
                title = f"{SPANS[event.type][0]} {what}".strip()
                span = self._tracer.start_span(title, inside, start_time=_ns(event.at), attributes=data)
                opened[event.type].append(span)
            elif event.type in POINTS:
                root.add_event(event.type, data, _ns(event.at))
        for span in (one for spans in opened.values() for one in spans):
            span.end(_ns(ended))
        if outcome in FAULTS or "provider" in outcome:
            root.set_status(StatusCode.ERROR, outcome)
        root.end(_ns(ended))

    def _end_spans(self, event: CallEvent, opened: dict[str, list[Span]]) -> None:
        for kind, (_, ends) in SPANS.items():
            if event.type in ends and opened[kind]:
                span = opened[kind].pop(0)
                if event.type == TransferFailed.type:
                    span.set_status(StatusCode.ERROR, str(event.data.get("problem", "")))
                span.end(_ns(event.at))

    def close(self) -> None:
        """What waits is sent first."""
        self._provider.shutdown()


def exporter_of(url: str) -> SpanExporter:
    """OTLP over HTTP, such as http://collector:4318/v1/traces."""
    return OTLPSpanExporter(endpoint=url, timeout=5)


def _ns(epoch: float) -> int:
    return int(epoch * 1e9)


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
