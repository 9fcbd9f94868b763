"""Client transactions: figures 5 (INVITE, with the Accepted state of RFC 6026) and 6 (non-INVITE) of RFC 3261.

Laid beside the figure, one row is one arrow: (state, input) -> (next state, what is done on the way).
Timers A and E resend, B and F give up; D, K and M keep the finished transaction for late resends of its response.
"""

from __future__ import annotations

import enum
from typing import Protocol

from gateway.machine import Timers
from gateway.sip.flow import Flow
from gateway.sip.message.message import Headers, Request, Response
from gateway.sip.transaction.timers import Timing


class State(enum.Enum):
    TRYING = "trying"  # figure 5 says Calling
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Input(enum.Enum):
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REFUSAL = "300-699"
    RESEND = "A or E"
    GIVE_UP = "B or F"
    LINGER = "D, K or M"
    TRANSPORT_ERROR = "transport error"


INVITE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.TRYING, Input.RESEND): (State.TRYING, "resend"),
    (State.TRYING, Input.GIVE_UP): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, "proceed"),
    (State.TRYING, Input.SUCCESS): (State.ACCEPTED, "accept"),
    (State.TRYING, Input.REFUSAL): (State.COMPLETED, "refuse"),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, "report"),
    (State.PROCEEDING, Input.SUCCESS): (State.ACCEPTED, "accept"),
    (State.PROCEEDING, Input.REFUSAL): (State.COMPLETED, "refuse"),
    (State.ACCEPTED, Input.SUCCESS): (State.ACCEPTED, "report"),
    (State.ACCEPTED, Input.LINGER): (State.TERMINATED, ""),
    (State.COMPLETED, Input.REFUSAL): (State.COMPLETED, "acknowledge"),
    (State.COMPLETED, Input.LINGER): (State.TERMINATED, ""),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.TERMINATED, ""),
}

NON_INVITE: dict[tuple[State, Input], tuple[State, str]] = {
    (State.TRYING, Input.RESEND): (State.TRYING, "resend"),
    (State.TRYING, Input.GIVE_UP): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, "give_up"),
    (State.TRYING, Input.PROVISIONAL): (State.PROCEEDING, "report"),
    (State.TRYING, Input.SUCCESS): (State.COMPLETED, "finish"),
    (State.TRYING, Input.REFUSAL): (State.COMPLETED, "finish"),
    (State.PROCEEDING, Input.RESEND): (State.PROCEEDING, "resend"),
    (State.PROCEEDING, Input.GIVE_UP): (State.TERMINATED, "give_up"),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, "give_up"),
    (State.PROCEEDING, Input.PROVISIONAL): (State.PROCEEDING, "report"),
    (State.PROCEEDING, Input.SUCCESS): (State.COMPLETED, "finish"),
    (State.PROCEEDING, Input.REFUSAL): (State.COMPLETED, "finish"),
    (State.COMPLETED, Input.LINGER): (State.TERMINATED, ""),
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
    """One request on its way. `key` is (branch, method), what a response is matched by (section 17.1.3)."""

    def __init__(self, core: Outbox, request: Request, flow: Flow, sink: ResponseSink, now: float) -> None:
        self._core, self.request, self.flow, self._sink = core, request, flow, sink
        self.key = (request.via.branch, request.method)
        self.state = State.TRYING
        self._table = INVITE if request.method == "INVITE" else NON_INVITE
        self._data = request.serialize()
        self._ack = b""
        self._interval = core.timing.t1
        core.send(self._data, flow, self)
        if not flow.reliable:
            core.timers.set((self, "RESEND"), now + self._interval)
        core.timers.set((self, "GIVE_UP"), now + core.timing.transaction_timeout)

    def receive(self, response: Response, now: float) -> None:
        what = {1: Input.PROVISIONAL, 2: Input.SUCCESS}.get(response.status // 100, Input.REFUSAL)
        self._step(what, now, response)

    def expire(self, timer: str, now: float) -> None:
        self._step(Input[timer], now)

    def transport_failed(self, now: float) -> None:
        self._step(Input.TRANSPORT_ERROR, now)

    def _step(self, what: Input, now: float, response: Response | None = None) -> None:
        if (self.state, what) not in self._table:
            return
        self.state, action = self._table[self.state, what]
        timing, unreliable = self._core.timing, not self.flow.reliable
        match action:
            case "resend":
                self._core.send(self._data, self.flow, self)
                self._interval = self._next_interval()
                self._core.timers.set((self, "RESEND"), now + self._interval)
            case "acknowledge":
                self._core.send(self._ack, self.flow, self)
            case "proceed":
                self._stop()
            case "accept":
                self._stop()
                self._core.timers.set((self, "LINGER"), now + timing.transaction_timeout)  # timer M
            case "refuse" if response:
                self._stop()
                self._ack = acknowledge(self.request, response).serialize()
                self._core.send(self._ack, self.flow, self)
                self._core.timers.set(
                    (self, "LINGER"), now + (timing.transaction_timeout if unreliable else 0)
                )  # timer D
            case "finish":
                self._stop()
                self._core.timers.set((self, "LINGER"), now + (timing.t4 if unreliable else 0))  # timer K
            case "give_up":
                self._stop()
        if action in ("report", "proceed", "accept", "refuse", "finish", "give_up"):
            self._sink.receive_response(self.request, response, now)
        if self.state is State.TERMINATED:
            self._core.forget(self)

    def _stop(self) -> None:
        self._core.timers.cancel((self, "RESEND"))
        self._core.timers.cancel((self, "GIVE_UP"))

    def _next_interval(self) -> float:
        """An INVITE's doubles without end, another's up to T2, which it is at once after a provisional response."""
        if self.request.method == "INVITE":
            return 2 * self._interval
        return self._core.timing.t2 if self.state is State.PROCEEDING else min(2 * self._interval, self._core.timing.t2)


def acknowledge(invite: Request, response: Response) -> Request:
    """The ACK to a refusal, which belongs to the INVITE's own transaction (section 17.1.1.3)."""
    ack = _companion(invite, "ACK")
    ack.headers.set("To", response.need("To"))
    return ack


def cancel(invite: Request) -> Request:
    """The CANCEL of an INVITE (section 9.1)."""
    return _companion(invite, "CANCEL")


def _companion(invite: Request, method: str) -> Request:
    headers = Headers([("Via", str(invite.via)), ("Max-Forwards", "70")])
    for name, value in invite.headers:
        if name.lower() in ("route", "from", "to", "call-id"):
            headers.add(name, value)
    headers.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(headers, method=method, uri=invite.uri)
