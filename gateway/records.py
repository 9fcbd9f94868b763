"""The nouns that all rooms share: what is kept and told of a call."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
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
