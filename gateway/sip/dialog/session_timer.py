"""Session timers (RFC 4028): who refreshes the session, how often, and when it is taken for dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.errors import SipParseError
from gateway.machine import Timers
from gateway.sip.dialog.dialog import Dialog
from gateway.sip.flow import Flow
from gateway.sip.message.grammar import parse_int, parse_params, split_outside, unquote
from gateway.sip.message.message import Message, Request, Response
from gateway.sip.transaction.client import ResponseSink

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


class Wishes(Protocol):
    """What a trunk says of session timers: `gateway.sip.trunk.settings.Trunk`."""

    @property
    def session_min_seconds(self) -> int: ...
    @property
    def session_refresher(self) -> str:
        """us, them, or auto."""


class Core(Protocol):
    """What a clock needs of `gateway.sip.core`."""

    timers: Timers[tuple[object, str]]

    def branch(self) -> str: ...
    def request(self, request: Request, flow: Flow, sink: ResponseSink, now: float) -> None: ...


class Refreshed(ResponseSink, Protocol):
    """A session, as far as its clock knows it."""

    dialog: Dialog
    peer_allows: str
    description: bytes

    @property
    def trunk(self) -> Wishes | None: ...

    def reoffer(self, body: bytes, now: float) -> bool: ...


class Clock:
    """One session's timer: agrees on it, refreshes, and knows when the session is dead."""

    def __init__(self, session: Refreshed, core: Core) -> None:
        self._session, self._core = session, core
        self.timer: SessionTimer | None = None

    def agree(self, request: Message, now: float) -> dict[str, str]:
        """The headers of our 2xx to `request` that say who refreshes and when; the clock starts anew."""
        self.keep(requested(request, self._session.trunk), now)
        if self.timer is None:
            return {}
        headers = {"Session-Expires": self.timer.header(we_ask=False)}
        if supports_timer(request):
            headers["Require"] = "timer"
        return headers

    def keep(self, timer: SessionTimer | None, now: float) -> None:
        self.timer = timer
        self._core.timers.cancel((self._session, "SESSION_END"))
        if timer:
            self._core.timers.set((self._session, "SESSION"), now + timer.due)
        else:
            self._core.timers.cancel((self._session, "SESSION"))

    def refresh(self, now: float) -> bool:
        """UPDATE without an offer, or the same offer again where the peer knows no UPDATE (section 7.4).

        False where it is not ours to refresh: then the session is dead.
        """
        timer, session = self.timer, self._session
        if timer is None or not timer.ours:
            return False
        rest = timer.interval / 2 - min(32.0, timer.interval / 3)
        self._core.timers.set((session, "SESSION_END"), now + max(1.0, rest))
        if session.peer_allows and "UPDATE" not in session.peer_allows.upper():
            session.reoffer(session.description, now)
            return True
        request, flow = session.dialog.request("UPDATE", self._core.branch())
        request.headers.add("Supported", "timer")
        request.headers.add("Session-Expires", timer.header(we_ask=True))
        request.headers.add("Min-SE", least_for(session.trunk))
        self._core.request(request, flow, session, now)
        return True

    def refreshed(self, response: Response, now: float) -> None:
        """The answer to our UPDATE."""
        if self.timer is None:
            return
        if 200 <= response.status < 300:
            self.keep(granted(response), now)
        elif response.status == 422:
            wanted = least(response)
            if wanted > self.timer.interval:  # else it would be refused for ever
                self.timer = SessionTimer(wanted, ours=True)
                self.refresh(now)
        elif response.status in (405, 501):
            self._session.peer_allows = "INVITE"
            self.refresh(now)


def least_for(trunk: Wishes | None) -> int:
    """Seconds: the shortest interval that is accepted of this trunk."""
    return trunk.session_min_seconds if trunk else MIN_SE


def asked(seconds: int, trunk: Wishes | None) -> str:
    """Session-Expires of an INVITE of ours."""
    wanted = {"us": ";refresher=uac", "them": ";refresher=uas"}
    return f"{seconds}{wanted.get(trunk.session_refresher, '') if trunk else ''}"


def requested(request: Message, trunk: Wishes | None = None) -> SessionTimer | None:
    """What to agree to when `request`, an INVITE or UPDATE of the peer's, is answered by 2xx (section 9).

    None where the peer knows nothing of timers. Raises TooShort, SipParseError.
    """
    supports = supports_timer(request)
    wanted = _parse(request)
    ours = not supports or (trunk is not None and trunk.session_refresher == "us")
    if wanted is None:
        return SessionTimer(max(PREFERRED, least_for(trunk)), ours) if supports else None
    interval, refresher = wanted
    if interval < least_for(trunk) and supports:
        raise TooShort
    interval = max(least_for(trunk), interval)  # a peer that knows nothing of timers cannot be told by 422
    if refresher:
        return SessionTimer(interval, ours=refresher == "uas")
    return SessionTimer(interval, ours)


def is_too_short(request: Message, trunk: Wishes | None = None) -> bool:
    """Whether the interval that it asks for is below the least (section 6): 422. Raises SipParseError."""
    try:
        requested(request, trunk)
    except TooShort:
        return True
    return False


def granted(response: Message) -> SessionTimer | None:
    """What the peer's 2xx to a request of ours says; None: no timer any more."""
    try:
        wanted = _parse(response)
    except SipParseError:  # the call is up all the same
        return None
    return SessionTimer(max(MIN_SE, wanted[0]), ours=wanted[1] != "uas") if wanted else None


def least(response: Message) -> int:
    """Seconds that a 422 wants at least (Min-SE); 0 where it does not say so in a way that can be read."""
    try:
        return parse_int((response.headers.get("Min-SE") or "").partition(";")[0], "Min-SE", 2**31 - 1)
    except SipParseError:
        return 0


def supports_timer(message: Message) -> bool:
    return "timer" in {tag.lower() for name in ("Supported", "Require") for tag in message.headers.all(name)}


def _parse(message: Message) -> tuple[int, str] | None:
    value = message.headers.get("Session-Expires")
    if value is None:
        return None
    seconds, *params = split_outside(value, ";")
    refresher = unquote(parse_params(params).get("refresher", "")).lower()
    if refresher not in ("", "uac", "uas"):
        raise SipParseError(f"refresher is neither uac nor uas: {refresher[:20]!r}")
    return parse_int(seconds, "Session-Expires", 2**31 - 1), refresher
