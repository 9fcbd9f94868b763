"""Server transactions: figures 7 (INVITE, with the Accepted state of RFC 6026) and 8 (non-INVITE) of RFC 3261.

One row is one arrow: (state, input) -> (next state, what is done on the way). Timer G resends a final response that
refuses an INVITE until the ACK comes, H gives up on it, I and J keep the finished transaction for late resends, L
keeps the accepted one while the core resends its 2xx.
"""

from __future__ import annotations

import enum

from gateway.sip.flow import Flow
from gateway.sip.message.message import Request, Response
from gateway.sip.transaction.client import Outbox


class State(enum.Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(enum.Enum):
    REQUEST = "the request again"
    ACK = "ACK"
    PROVISIONAL = "1xx from the user"
    SUCCESS = "2xx from the user"
    REFUSAL = "300-699 from the user"
    TIMER_G = "G"
    TIMER_H = "H"
    TIMER_I = "I"
    TIMER_J = "J"
    TIMER_L = "L"


INVITE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, "resend"),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, "respond"),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, "accept"),
    (State.PROCEEDING, Input.REFUSAL): (State.COMPLETED, "refuse"),
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, ""),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, "respond"),
    (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, ""),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, "resend"),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, "confirm"),
    (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, "resend_slower"),
    (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, ""),
    (State.CONFIRMED, Input.ACK): (State.CONFIRMED, ""),
    (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, ""),
}

NON_INVITE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.TRYING, Input.REQUEST): (State.TRYING, ""),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, "respond"),
    (State.TRYING, Input.SUCCESS): (State.COMPLETED, "finish"),
    (State.TRYING, Input.REFUSAL): (State.COMPLETED, "finish"),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, "resend"),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, "respond"),
    (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, "finish"),
    (State.PROCEEDING, Input.REFUSAL): (State.COMPLETED, "finish"),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, "resend"),
    (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, ""),
}


class ServerTransaction:
    """One request being answered. `flow` is where its responses go, `key` what resends of it are matched by."""

    def __init__(self, core: Outbox, request: Request, flow: Flow, key: tuple[str, ...]) -> None:
        self._core, self.request, self.flow, self.key = core, request, flow, key
        self._table = INVITE if request.method == "INVITE" else NON_INVITE
        self.state = State.PROCEEDING if request.method == "INVITE" else State.TRYING
        self._last = b""
        self._interval = core.timing.t1

    @property
    def answered(self) -> bool:
        """A final response has been sent."""
        return self.state not in (State.TRYING, State.PROCEEDING)

    def receive(self, request: Request, now: float) -> None:
        """The request again, or the ACK to a refused INVITE."""
        self._step(Input.ACK if request.method == "ACK" else Input.REQUEST, now)

    def respond(self, response: Response, now: float) -> None:
        status = response.status
        what = Input.PROVISIONAL if status < 200 else Input.SUCCESS if status < 300 else Input.REFUSAL
        self._step(what, now, response.serialize())

    def expire(self, timer: str, now: float) -> None:
        self._step(Input[timer], now)

    def _step(self, what: Input, now: float, data: bytes = b"") -> None:
        if (self.state, what) not in self._table:
            return
        self.state, action = self._table[self.state, what]
        timing, timers, unreliable = self._core.timing, self._core.timers, not self.flow.reliable
        if data:
            self._last = data
        match action:
            case "respond" | "accept" | "refuse" | "finish" | "resend" | "resend_slower" if self._last:
                self._core.send(self._last, self.flow)
        match action:
            case "accept":
                timers.set((self, "TIMER_L"), now + timing.transaction_timeout)
            case "refuse":
                if unreliable:
                    timers.set((self, "TIMER_G"), now + self._interval)
                timers.set((self, "TIMER_H"), now + timing.transaction_timeout)
            case "resend_slower":
                self._interval = min(2 * self._interval, timing.t2)
                timers.set((self, "TIMER_G"), now + self._interval)
            case "confirm":
                timers.cancel((self, "TIMER_G"))
                timers.cancel((self, "TIMER_H"))
                timers.set((self, "TIMER_I"), now + (timing.t4 if unreliable else 0))
            case "finish":
                timers.set((self, "TIMER_J"), now + (timing.transaction_timeout if unreliable else 0))
        if self.state is State.TERMINATED:
            timers.cancel((self, "TIMER_G"))
            self._core.forget(self)
