"""The record of a call: one shape for Redis, the API, webhooks, files and PostgreSQL; a table in docs/events.md."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class CallState(enum.StrEnum):
    """Where a call stands."""

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


Epoch = Annotated[float, Field(description="s since the epoch")]
Direction = Literal["inbound", "outbound"]


class Latest(BaseModel):
    """What was said last."""

    role: Literal["user", "assistant"]
    text: str
    at: Epoch


class CallRecord(BaseModel):
    """All that is known of a call, but for its events."""

    model_config = ConfigDict(extra="ignore")

    call_id: str = Field(description="Of the gateway: call_ and 16 hexadecimal digits.")
    sip_call_id: str = Field(default="", description="Its Call-ID.")
    direction: Direction = Field(default="inbound", description="inbound, or outbound: a call that the gateway made.")
    state: CallState
    node: str = Field(default="", description="The node that has the call, or had it.")
    trunk: str = Field(default="", description="The trunk that it came or went by; empty: none.")
    caller: str = Field(default="", description="URI.")
    caller_name: str = Field(default="", description="Display name.")
    called: str = Field(default="", description="URI.")
    agent: str = Field(default="", description="Who has the call now, or had it last.")
    provider: str = Field(default="", description="The provider that the agent speaks through now, or did last.")
    variant: str = Field(default="", description="Of the agent, where it has several.")
    attestation: str = Field(default="", description="What a STIR/SHAKEN token claims; not verified.")
    held_by: list[Literal["gateway", "transfer", "caller"]] = Field(
        default=[],
        description="Who holds the call: gateway (an operator or the agent), transfer, caller (their telephone).",
    )
    muted: list[Literal["caller", "agent"]] = Field(default=[], description="Who is not heard: caller, agent.")
    recording: Literal["off", "announcing", "asking", "on", "paused"] = Field(
        default="off", description="off, announcing, asking (for consent), on, paused."
    )
    started_at: float = Field(
        default=0.0, description="When the INVITE came, or the call was asked for: s since the epoch."
    )
    answered_at: float | None = Field(default=None, description="When it was answered: s since the epoch.")
    ended_at: float | None = Field(default=None, description="When it ended: s since the epoch.")
    outcome: str = Field(default="", description="How it ended: one of the outcomes; empty until then.")
    stages: dict[str, float] = Field(
        default={}, description="session_ms, answered_ms, first_audio_ms: from the beginning of the call."
    )
    answer_ms: list[int] = Field(default=[], description="From the end of each turn of the caller's to the answer.")
    interruptions: int = Field(default=0, description="Times that the agent was stopped in mid-sentence.")
    blocked_ms: int = Field(default=0, description="That tools of this call kept the whole node from its work.")
    echoes: int = Field(default=0, description="Times that the provider took the agent's own words for the caller's.")
    underruns: int = Field(default=0, description="Times that the provider left the caller in mid-sentence.")
    tool_calls: int = Field(default=0, description="Tools that the agent used.")
    provider_faults: int = Field(default=0, description="Errors and failed responses of the provider.")
    disposition: str = Field(default="", description="What the agent says came of the call.")
    reconnects: int = Field(default=0, description="Sessions that broke and were followed by another.")
    providers: list[str] = Field(default=[], description="All providers that the agent spoke through, in order.")
    usage: dict[str, int] = Field(default={}, description="total_tokens, input_tokens, output_tokens.")
    consent: dict[str, Any] = Field(
        default={}, description="Whether the caller agreed to be recorded: answer, by, said, text, version, at."
    )
    summary: str = Field(
        default="", description="What the call was about, some time after its end (`after` of the agent)."
    )
    fields: dict[str, Any] = Field(default={}, description="What `after` was asked to find in it.")
    score: float | None = Field(default=None, description="0 to 10, as `after` says.")
    path: list[str] = Field(default=[], description="Menus, mailboxes and others that it went to, in order.")
    latest: Latest | None = Field(
        default=None, description="What was said last: role, at, and the first 200 characters of text."
    )
    media: dict[str, Any] = Field(
        default={}, description="How the line was, once the call has ended: codec, lost, late, jitter_ms, mos and more."
    )
    cost: float | None = Field(default=None, description="In the currency of the provider's prices.")


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
