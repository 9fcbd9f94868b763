"""What is known of a call from its INVITE, or from the order to make it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from gateway.call_record import Party


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What is known of a call from the start. `headers` are those of the INVITE, names in lower case."""

    call_id: str
    sip_call_id: str
    caller: Party
    called: Party
    caller_host: str
    called_host: str
    headers: Mapping[str, str]
    node: str = ""
    trunk: str = ""
    direction: str = "inbound"
    claims: Mapping[str, str] = field(default_factory=dict)  # of a STIR/SHAKEN token, not verified
    own: Mapping[str, str] = field(default_factory=dict)  # variables that came with the order to call
    collected: dict[str, str] = field(default_factory=dict, repr=False)  # keys, by the name that they were asked for
    variant: str = ""  # of the agent, where it has several

    def variables(self, agent: str) -> dict[str, str]:
        """What agents may name in double braces."""
        return {
            "caller": self.caller.user,
            "caller_name": self.caller.name,
            "caller_host": self.caller_host,
            "called": self.called.user,
            "called_host": self.called_host,
            "call_id": self.call_id,
            "agent": agent,
            **{f"header.{name}": value for name, value in self.headers.items()},
            **{f"identity.{name}": value for name, value in self.claims.items()},
            **{f"var.{name}": value for name, value in self.own.items()},
        }

    def snapshot(self) -> dict[str, Any]:
        """All of it as plain JSON values; digits that were collected are secret, and stay out."""
        found = asdict(self)
        del found["collected"]
        return found

    def identity(self) -> dict[str, Any]:
        """The part of a record that never changes."""
        return {
            "call_id": self.call_id,
            "sip_call_id": self.sip_call_id,
            "direction": self.direction,
            "node": self.node,
            "trunk": self.trunk,
            "caller": self.caller.uri,
            "caller_name": self.caller.name,
            "called": self.called.uri,
            **({"variant": self.variant} if self.variant else {}),
            **({"attestation": self.claims["attest"]} if "attest" in self.claims else {}),
        }


MOST_ANSWERS = 200
MOST_LATEST = 200
"""Characters of the latest words: lists of calls have them."""


@dataclass(slots=True)
class CallStats:
    """Counts and times for the record; times are wall clock, in s."""

    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""
    stages: dict[str, float] = field(default_factory=dict)  # session, answered, first_audio: ms from the beginning
    answer_ms: list[int] = field(default_factory=list)  # from the end of each turn of the caller's to the first audio
    interruptions: int = 0
    blocked_ms: int = 0  # that its tools have kept the whole node from its work
    echoes: int = 0  # times that the provider took the agent's own words for the caller's
    underruns: int = 0  # times that the provider left the caller in the middle of a sentence
    tool_calls: int = 0
    provider_faults: int = 0
    disposition: str = ""
    reconnects: int = 0  # sessions with a provider that broke and were followed by another
    providers: list[str] = field(default_factory=list)  # that the agent spoke through, in order
    usage: dict[str, int] = field(default_factory=dict)
    consent: dict[str, Any] = field(default_factory=dict)  # answer, by, said, text, version, at
    path: list[str] = field(default_factory=list)  # destinations that it went to without an agent
    latest: dict[str, Any] = field(default_factory=dict)  # role, text and at of what was said last
    media: dict[str, Any] = field(default_factory=dict)  # how the line was, once the call has ended
    cost: float | None = None  # in the currency of the providers' prices, where they have any

    def record(self) -> dict[str, Any]:
        """Its own from now on; by hand, for `asdict` takes ten times as long, and every event has one."""
        found = {name: getattr(self, name) for name in _TALLIED}
        if not self.media:
            del found["media"]
        return found | {name: type(value)(value) for name, value in found.items() if isinstance(value, dict | list)}

    def answered(self, seconds: float) -> None:
        """The agent begins to answer a turn of the caller's."""
        if len(self.answer_ms) < MOST_ANSWERS:
            self.answer_ms.append(round(seconds * 1000))

    def said(self, role: str, text: str, at: float) -> None:
        self.latest = {"role": role, "text": text[:MOST_LATEST], "at": at}

    def provided_by(self, provider: str) -> None:
        if self.providers[-1:] != [provider]:
            self.providers.append(provider)

    def use(self, usage: Mapping[str, Any], prices: Mapping[str, float]) -> None:
        """Add what a response cost; `prices` are for a million tokens of each kind."""
        for name in ("total_tokens", "input_tokens", "output_tokens"):
            if isinstance(count := usage.get(name), int):
                self.usage[name] = self.usage.get(name, 0) + count
        if prices:
            self.cost = (self.cost or 0.0) + cost_of(usage, prices)


_TALLIED = [one.name for one in fields(CallStats)]


def cost_of(usage: Mapping[str, Any], prices: Mapping[str, float]) -> float:
    """Of one response, by the details of its usage; cached tokens at their own price, where there is one."""
    total = 0.0
    for side in ("input", "output"):
        details = usage.get(f"{side}_token_details") or {}
        cached = details.get("cached_tokens_details") or {}
        for kind in ("text", "audio"):
            tokens, old = details.get(f"{kind}_tokens") or 0, cached.get(f"{kind}_tokens") or 0
            price = prices.get(f"{kind}_{side}", 0.0)
            total += (tokens - old) * price + old * prices.get("cached_input", price)
    return total / 1e6
