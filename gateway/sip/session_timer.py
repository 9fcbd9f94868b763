"""Session timers (RFC 4028): who refreshes the session, how often, and when it is taken for dead."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import SipParseError
from gateway.sip.grammar import parse_int, parse_params, split_outside
from gateway.sip.message import Message

MIN_SE = 90
"""Seconds: the shortest interval that is accepted (section 5)."""

PREFERRED = 1800
"""Seconds: asked for where the peer supports timers and names no interval (section 4)."""


class TooShort(Exception):
    """The interval is below MIN_SE: 422 with Min-SE (section 6)."""


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What was agreed. `ours` is whether we refresh; `interval` in seconds."""

    interval: int
    ours: bool

    @property
    def due(self) -> float:
        """Seconds after the last refresh at which to act: send the next one, or end a session that has none."""
        return self.interval / 2 if self.ours else self.interval - min(32.0, self.interval / 3)  # section 10

    def header(self, we_ask: bool) -> str:
        """The value of Session-Expires; `we_ask` in a request of ours or its response."""
        return f"{self.interval};refresher={'uac' if self.ours == we_ask else 'uas'}"


def requested(request: Message) -> SessionTimer | None:
    """What to agree to when `request`, an INVITE or UPDATE of the peer's, is answered by 2xx (section 9).

    None where the peer knows nothing of timers. Raises TooShort, SipParseError.
    """
    supports = supports_timer(request)
    wanted = _parse(request)
    if wanted is None:
        return SessionTimer(PREFERRED, ours=False) if supports else None
    interval, refresher = wanted
    if interval < MIN_SE and supports:
        raise TooShort
    interval = max(MIN_SE, interval)  # a peer that knows nothing of timers cannot be told by 422
    if refresher:
        return SessionTimer(interval, ours=refresher == "uas")
    return SessionTimer(interval, ours=not supports)


def granted(response: Message) -> SessionTimer | None:
    """What the peer's 2xx to a request of ours says; None: no timer any more."""
    wanted = _parse(response)
    return SessionTimer(max(MIN_SE, wanted[0]), ours=wanted[1] != "uas") if wanted else None


def supports_timer(message: Message) -> bool:
    return "timer" in {tag.lower() for name in ("Supported", "Require") for tag in message.headers.all(name)}


def _parse(message: Message) -> tuple[int, str] | None:
    value = message.headers.get("Session-Expires")
    if value is None:
        return None
    seconds, *params = split_outside(value, ";")
    refresher = parse_params(params).get("refresher", "").lower()
    if refresher not in ("", "uac", "uas"):
        raise SipParseError(f"refresher is neither uac nor uas: {refresher[:20]!r}")
    return parse_int(seconds, "Session-Expires", 2**31 - 1), refresher
