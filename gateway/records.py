"""The nouns that all packages share: what is kept and told of a call."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


class CallState(enum.StrEnum):
    """Where a call stands. Values are what the store and the API show."""

    INCOMING = "incoming"  # INVITE taken, provider being connected
    DIALING = "dialing"  # our INVITE is being made ready, or is out
    RINGING = "ringing"  # 180 sent, or received
    ANSWERED = "answered"  # talking with the agent
    TRANSFERRING = "transferring"  # outcome open
    BRIDGED = "bridged"  # talking with somebody else, through here
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Party:
    """One end of a call as SIP names it: `uri` an address-of-record, `name` its display name (may be empty)."""

    uri: str
    name: str = ""

    @property
    def user(self) -> str:
        """The user part, such as the number, without scheme, host and parameters."""
        rest = self.uri.partition(":")[2] or self.uri
        return rest.partition("@")[0] if "@" in rest else rest.partition(";")[0]


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened in a call. `at` is wall-clock seconds since the epoch, `data` plain JSON values."""

    call_id: str
    at: float
    type: str
    data: dict[str, Any] = field(default_factory=dict)


OUTCOMES = (
    "caller_hung_up", "agent_hung_up", "hung_up_by_request", "transferred", "max_duration", "no_input",
    "busy", "no_answer", "invalid_number", "rejected", "cancelled", "unreachable", "failed",
    "media_timeout", "media_failed", "transport", "no_ack", "no_prack", "session_expired",
    "provider_unreachable", "provider_refused", "provider_failed", "provider_lost",
    "misconfigured", "bad_signalling", "bad_session_description", "refused", "no_route", "no_common_codec",
    "no_media_port", "no_file_descriptor", "media_address_refused", "agent_busy", "no_such_agent", "no_such_trunk",
    "not_logged_in", "trunk_busy", "application_silent", "draining", "store_unavailable", "node_silent",
    "no_such_call", "wrong_state", "bad_command", "tool_failed", "internal_error", "node_stopped", "node_died",
)  # fmt: skip
"""How calls end: the usual ends, calls of ours that came to nothing, lines that broke, providers that did, and calls
that were not taken or not carried to their end (`gateway.bridge.reasons`)."""


def iso(epoch: float) -> str:
    """An epoch in s as ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timed(value: Any) -> Any:
    """JSON in which each epoch has the same time as ISO 8601 beside it: `at` a `time`, `x_at` an `x_time`."""
    if isinstance(value, list):
        return [timed(one) for one in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for name, one in value.items():
        found[name] = timed(one)
        if name == "at" or name.endswith("_at"):
            found[name[:-2] + "time"] = iso(one) if isinstance(one, int | float) else None
    return found


RETRY_AFTER = {
    "node_busy": 5,
    "trunk_busy": 5,
    "trunk_rate": 1,
    "unknown_rate": 1,
    "agent_busy": 0,
    "draining": 30,
    "no_media_port": 10,
    "no_file_descriptor": 10,
    "provider_unreachable": 10,
    "provider_refused": 0,
}
"""Seconds after which whoever was refused for one of these may come again (Retry-After); 0: no word about it."""

ROLES = ("read", "operate", "admin")
"""What a key may: look on; act on calls; and all else. Each may what those before it may."""
