"""Spans in memory, and a collector that takes them by HTTP."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.delivery.traces import Traces, exporter_of
from gateway.events import CallEvent

EVENTS = (
    (100.0, "incoming", {}), (100.5, "answered", {}), (101.0, "speech_started", {"audio_start_ms": 1}),
    (102.0, "speech_stopped", {}), (102.1, "transcript", {"role": "user", "text": "my secret"}),
    (102.2, "tool_call", {"name": "lookup", "arguments": '{"card": 1}'}), (103.0, "tool_output", {"name": "lookup"}),
    (104.0, "transfer_started", {"target": "billing"}), (105.0, "transfer_failed", {"problem": "busy"}),
    (106.0, "recording_started", {"file": "x.wav"}), (107.0, "ended", {"outcome": "media_timeout"}),
)  # fmt: skip
RECORD = {
    "call_id": "c", "agent": "eve", "started_at": 100.0, "answered_at": 100.5, "ended_at": 107.0,
    "outcome": "media_timeout", "media": {"mos": 4.2, "codec": "PCMU"},
}  # fmt: skip


def tell(traces):
    for at, kind, data in EVENTS:
        traces.tell(CallEvent("c", at, kind, data), RECORD)


def test_one_trace_a_call_with_what_took_how_long():
    exporter = InMemorySpanExporter()
    traces = Traces(exporter, "one")
    tell(traces)
    traces._provider.force_flush()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"call eve", "setup", "caller speaks", "tool lookup", "transfer billing", "recording"}
    root = spans["call eve"]
    assert {span.context.trace_id for span in spans.values()} == {root.context.trace_id}
    assert all(span.parent.span_id == root.context.span_id for name, span in spans.items() if span is not root)
    took = {name: round((span.end_time - span.start_time) / 1e9, 1) for name, span in spans.items()}
    assert took == {
        "call eve": 7.0, "setup": 0.5, "caller speaks": 1.0, "tool lookup": 0.8, "transfer billing": 1.0,
        "recording": 1.0,
    }  # fmt: skip
    assert (root.attributes["media.mos"], root.attributes["call.outcome"]) == (4.2, "media_timeout")
    assert not root.status.is_ok
    assert not spans["transfer billing"].status.is_ok
    assert "secret" not in str([span.to_json() for span in spans.values()])
    assert "card" not in str([span.to_json() for span in spans.values()])
    traces.close()


def test_a_collector_takes_them_by_http():
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        traces = Traces(exporter_of(f"http://127.0.0.1:{server.server_port}/v1/traces"), "one")
        tell(traces)
        traces.close()
        server.shutdown()
    sent = ExportTraceServiceRequest.FromString(bodies[0])
    names = {span.name for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans}
    assert "call eve" in names
