"""Webhooks: what happens in calls, told to somebody's HTTP server, signed after Standard Webhooks.

The body is `{"id", "type", "created_at", "data"}`; `data` has the call_id, what the event says, and the call's record
at that time as `call`. Events of one call come in order. What is not answered by a 2xx is tried again.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from gateway import events
from gateway.bridge.tools.webhook_tool import signed
from gateway.call_record import iso, timed
from gateway.delivery.courier import PermanentFailure
from gateway.events import CallEvent
from gateway.outcomes import Outcome

KINDS = (
    "call.ringing",
    "call.answered",
    "call.transferred",
    "call.transcript",
    "call.tool",
    "call.consent",
    "call.recording.ready",
    "call.ended",
    "call.summary",
    "record.erased",
    "voicemail.received",
)

WEBHOOKS_OF_EVENTS = {
    events.Incoming.type: ("call.ringing",),
    events.Ringing.type: ("call.ringing",),
    events.Answered.type: ("call.answered",),
    events.Bridged.type: ("call.transferred",),
    events.Transcript.type: ("call.transcript",),
    events.ToolOutput.type: ("call.tool",),
    events.Consent.type: ("call.consent",),
    events.RecordingStopped.type: ("call.recording.ready",),
    events.Ended.type: ("call.transferred", "call.ended"),
}
"""What an event of a call is to others; the end of one only where the caller was handed on is a transfer."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`secret` (base64, may begin with whsec_) signs; empty: nothing is signed. `events` are of KINDS."""

    name: str
    url: str
    secret: str = field(default="", repr=False)
    events: tuple[str, ...] = KINDS
    timeout_seconds: float = 10.0


def kinds_of(event: CallEvent) -> tuple[str, ...]:
    """What an event of a call is to others."""
    kinds = WEBHOOKS_OF_EVENTS.get(event.type, ())
    if event.type == events.Ended.type:
        handed_on = event.data.get("outcome") == Outcome.TRANSFERRED and not event.data.get("bridged")
        return kinds if handed_on else kinds[1:]
    return kinds


def entries_for(hooks: tuple[WebhookSettings, ...], event: CallEvent, record: dict[str, Any]) -> list[dict[str, str]]:
    """What the outbox has to hold of it, for each who wants it."""
    found = []
    for kind in kinds_of(event):
        wanted = [hook for hook in hooks if kind in hook.events]
        if not wanted:
            continue
        data = {"call_id": event.call_id, **event.data, "call": timed(record)}
        body = _body(f"{event.call_id} {kind} {event.at!r}", kind, event.at, data)
        found += [{"for": f"webhook:{hook.name}", "call_id": event.call_id, "body": body} for hook in wanted]
    return found


class WebhookReceiver:
    """One of them. Raises ValueError where its secret is not base64."""

    def __init__(self, settings: WebhookSettings, client: httpx.AsyncClient) -> None:
        self._settings, self._client = settings, client
        self._signer = Webhook(settings.secret) if settings.secret else None

    async def deliver(self, call_id: str, body: str) -> str:
        settings = self._settings
        event_id = orjson.loads(body)["id"]
        try:
            answer = await self._client.post(
                settings.url,
                content=body,
                headers=signed(self._signer, event_id, body),
                timeout=settings.timeout_seconds,
            )
        except httpx.HTTPError as error:
            return f"{settings.url}: {type(error).__name__}: {error}".rstrip(": ")
        if answer.is_success:
            return ""
        if answer.status_code == 410:  # as Standard Webhooks says: do not come again
            raise PermanentFailure(f"{settings.url} answered with 410")
        return f"{settings.url} answered with {answer.status_code}"


def entries_for_erased(hooks: tuple[WebhookSettings, ...], call_id: str, now: float) -> list[dict[str, str]]:
    """Entries that tell receivers that a call's record was erased, so that they erase theirs."""
    body = _body(f"{call_id} record.erased {now!r}", "record.erased", now, {"call_id": call_id})
    wanted = [hook for hook in hooks if "record.erased" in hook.events]
    return [{"for": f"webhook:{hook.name}", "call_id": call_id, "body": body} for hook in wanted]


def entries_for_voicemail(
    hooks: tuple[WebhookSettings, ...], message: dict[str, Any], now: float
) -> list[dict[str, str]]:
    """Entries that tell receivers of a message that a caller left, with its words where there are any."""
    body = _body(f"{message['id']} voicemail.received", "voicemail.received", now, {"message": timed(message)})
    wanted = [hook for hook in hooks if "voicemail.received" in hook.events]
    return [{"for": f"webhook:{hook.name}", "call_id": message["call_id"], "body": body} for hook in wanted]


def entries_for_summary(hooks: tuple[WebhookSettings, ...], record: dict[str, Any], now: float) -> list[dict[str, str]]:
    """Entries that tell receivers what a call was about."""
    call = {name: value for name, value in record.items() if name != "events"}
    body = _body(
        f"{call['call_id']} call.summary", "call.summary", now, {"call_id": call["call_id"], "call": timed(call)}
    )
    wanted = [hook for hook in hooks if "call.summary" in hook.events]
    return [{"for": f"webhook:{hook.name}", "call_id": call["call_id"], "body": body} for hook in wanted]


async def deliver_test(settings: WebhookSettings, client: httpx.AsyncClient) -> tuple[str, int]:
    """One delivery of `webhook.test`: what went wrong, empty where it arrived, and after how many ms."""
    body = _body(secrets.token_hex(8), "webhook.test", time.time(), {"name": settings.name})
    began = time.monotonic()
    try:
        problem = await WebhookReceiver(settings, client).deliver("", body)
    except PermanentFailure as never:
        problem = str(never)
    return problem, round((time.monotonic() - began) * 1000)


def _body(what: str, kind: str, at: float, data: dict[str, Any]) -> str:
    """`what` makes the id: the same event has the same each time."""
    event_id = f"evt_{hashlib.sha256(what.encode()).hexdigest()[:24]}"
    times = {"created_at": at, "created_time": iso(at)}
    return orjson.dumps({"id": event_id, "type": kind, **times, "data": data}).decode()
