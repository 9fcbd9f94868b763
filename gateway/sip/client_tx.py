"""Client transactions: figure 6 of RFC 3261 (non-INVITE) as a table.

Laid beside the figure, one row is one arrow: (state, input) -> (next state, what is done on the way).
Timer E resends, timer F gives up, timer K keeps the finished transaction for late resends of its response.
"""

from __future__ import annotations

import enum
from typing import Protocol

from gateway.machine import Timers
from gateway.sip.flow import Flow
from gateway.sip.message import Request, Response
from gateway.sip.timers import Timing


class State(enum.Enum):
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Input(enum.Enum):
    PROVISIONAL = "1xx"
    FINAL = "200-699"
    TIMER_E = "E"
    TIMER_F = "F"
    TIMER_K = "K"
    TRANSPORT_ERROR = "transport error"


NON_INVITE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.TRYING, Input.TIMER_E): (State.TRYING, "resend"),
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, "report"),
    (State.TRYING, Input.FINAL): (State.COMPLETED, "finish"),
    (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, "resend"),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, "give_up"),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, "give_up"),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, "report"),
    (State.PROCEEDING, Input.FINAL): (State.COMPLETED, "finish"),
    (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, ""),
}
"""What has no row (a resend of the final response in COMPLETED, say) changes nothing."""


class ResponseSink(Protocol):
    """Who asked: gets every response, and None in place of a final one that never came (section 8.1.3.1)."""

    def receive_response(self, request: Request, response: Response | None, now: float) -> None: ...


class Outbox(Protocol):
    """What a transaction needs of the core."""

    timing: Timing
    timers: Timers[tuple[object, str]]

    def send(self, data: bytes, flow: Flow, client: object = None) -> None: ...

    def forget(self, transaction: object) -> None: ...


class ClientTransaction:
    """One non-INVITE request on its way. `key` is (branch, method), what a response is matched by (section 17.1.3)."""

    def __init__(self, core: Outbox, request: Request, flow: Flow, sink: ResponseSink, now: float) -> None:
        self._core, self.request, self.flow, self._sink = core, request, flow, sink
        self.key = (request.via.branch, request.method)
        self.state = State.TRYING
        self._data = request.serialize()
        self._interval = core.timing.t1
        core.send(self._data, flow, self)
        if not flow.reliable:
            core.timers.set((self, "TIMER_E"), now + self._interval)
        core.timers.set((self, "TIMER_F"), now + core.timing.patience)

    def receive(self, response: Response, now: float) -> None:
        self._step(Input.PROVISIONAL if response.status < 200 else Input.FINAL, now, response)

    def expire(self, timer: str, now: float) -> None:
        self._step(Input[timer], now)

    def transport_failed(self, now: float) -> None:
        self._step(Input.TRANSPORT_ERROR, now)

    def _step(self, what: Input, now: float, response: Response | None = None) -> None:
        if (self.state, what) not in NON_INVITE:
            return
        self.state, action = NON_INVITE[self.state, what]
        match action:
            case "resend":
                self._core.send(self._data, self.flow, self)
                proceeding = self.state is State.PROCEEDING  # from then on the interval is T2
                self._interval = self._core.timing.t2 if proceeding else min(2 * self._interval, self._core.timing.t2)
                self._core.timers.set((self, "TIMER_E"), now + self._interval)
            case "report":
                self._sink.receive_response(self.request, response, now)
            case "finish":
                self._core.timers.cancel((self, "TIMER_E"))
                self._core.timers.cancel((self, "TIMER_F"))
                self._core.timers.set((self, "TIMER_K"), now + (0 if self.flow.reliable else self._core.timing.t4))
                self._sink.receive_response(self.request, response, now)
            case "give_up":
                self._core.timers.cancel((self, "TIMER_E"))
                self._core.timers.cancel((self, "TIMER_F"))
                self._sink.receive_response(self.request, None, now)
        if self.state is State.TERMINATED:
            self._core.forget(self)
