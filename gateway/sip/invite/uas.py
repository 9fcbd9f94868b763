"""A session that begins with an INVITE of the peer's (RFC 3261 section 13.3), with reliable provisionals (RFC 3262).

INCOMING --ring--> RINGING --answer--> ANSWERED --ACK--> CONFIRMED --BYE--> ENDED
    \\------- reject, CANCEL, or an answer that is never acknowledged -------/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import SipParseError
from gateway.sip.dialog import reliable
from gateway.sip.dialog.dialog import Dialog
from gateway.sip.dialog.session import Cause, Confirmed, Session, State
from gateway.sip.flow import Flow
from gateway.sip.message.grammar import parse_params
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.transaction.matching import is_alone, is_behind_nat, is_private
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.trunk.settings import Trunk

# what it tells


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new call. Its session waits for ring, answer or reject."""

    session: UasSession


class UasSession(Session):
    """We are called. `settled` is called once it is answered, or will not be."""

    def __init__(
        self,
        core: CorePort,
        transaction: ServerTransaction,
        flow: Flow,
        tag: str,
        contact: Uri,
        trunk: Trunk | None,
        settled: Callable[[], None],
    ) -> None:
        request = transaction.request
        nat = is_behind_nat(request, flow)
        way = trunk is None or trunk.nat != "off"
        hop = next((NameAddr.parse(one).uri for one in request.headers.all("Record-Route")), None) or (
            request.contact.uri if request.contact else request.from_.uri
        )
        by_flow = way and reached_by_flow(request, hop, flow, nat)
        super().__init__(core, Dialog.of_server(request, tag, contact, flow, by_flow), request, trunk)
        self.behind_nat, self._setup_over = nat, settled
        self._invite = self._offering = transaction
        self.peer_allows = request.headers.get("Allow") or ""
        self._bye_after_ack: str | None = None
        self._provisional: reliable.Provisional | None = None
        self._answer_after_prack: bytes | None = None
        self.replaces: Session | None = None  # whose place this call is to take (RFC 3891)

    @property
    def offer(self) -> bytes:
        """The body of the INVITE: its SDP, or empty (delayed offer)."""
        return self.request.sdp

    # verbs

    def ring(self, now: float, body: bytes = b"") -> None:
        """180; with `body`, the answer to the INVITE's offer, 183: early media (RFC 3261 section 13.2.1)."""
        if self.state is not State.INCOMING:
            return
        self.state = State.RINGING
        status, wished = 183 if body else 180, self.trunk is not None and self.trunk.prack == "required"
        if not reliable.required(self.request) and not (wished and reliable.supported(self.request)):
            self._respond(self._invite, status, now, body)
        elif self.offer:  # without an offer a reliable 180 would have to hold ours (RFC 3262 section 5)
            interval = self._core.timing.t1
            response = self._respond(self._invite, status, now, body, headers={"Require": "100rel", "RSeq": "1"})
            self._provisional = reliable.Provisional(response, 1, interval)
            self._core.timers.set((self, "RESEND_1XX"), now + interval)
            self._core.timers.set((self, "NO_PRACK"), now + self._core.timing.transaction_timeout)

    def answer(self, body: bytes, now: float) -> None:
        if self._provisional and self._provisional.response.body:  # first its PRACK (RFC 3262 section 3)
            self._answer_after_prack = body
            return
        if self.state in (State.INCOMING, State.RINGING):
            self.state = State.ANSWERED
            self._setup_over()
        super().answer(body, now)

    def reject(self, status: int, now: float, reason: str = "", headers: dict[str, str] | None = None) -> None:
        """Refuse the call: 300 to 699, with extra headers such as Retry-After, Warning or Reason."""
        if self.state in (State.INCOMING, State.RINGING):
            self._respond(self._invite, status, now, reason=reason, headers=headers)
            self._end(now)

    def bye(self, now: float, reason: str = "") -> None:
        """Hang up. Before the ACK has come it waits for it (section 15)."""
        if self.state is State.ANSWERED:
            self._bye_after_ack = reason
        elif self.state is State.CONFIRMED:
            super().bye(now, reason)
        else:
            self.reject(480, now)

    # inputs

    def receive_cancel(self, now: float) -> None:
        if self.state in (State.INCOMING, State.RINGING):
            self._respond(self._invite, 487, now)
            self._end(now, Cause.CANCELLED)

    def receive(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        if request.method == "PRACK" and self._provisional and self._provisional.acknowledged_by(request):
            transaction.respond(request.respond(200), now)
            self._stop_ringing()
            if self._answer_after_prack is not None:
                self.answer(self._answer_after_prack, now)
        else:
            super().receive(transaction, now)

    def _acknowledged(self, body: bytes, now: float) -> None:
        if self.state is not State.ANSWERED:
            super()._acknowledged(body, now)
            return
        self.state = State.CONFIRMED
        self._core.emit(Confirmed(self, body))
        if self._bye_after_ack is not None:
            self.bye(now, self._bye_after_ack)

    def _expire(self, timer: str, now: float) -> None:
        match timer:
            case "RESEND_1XX" if self._provisional:
                self._core.send(self._provisional.response.serialize(), self._invite.flow)
                self._provisional.interval *= 2
                self._core.timers.set((self, "RESEND_1XX"), now + self._provisional.interval)
            case "NO_PRACK":  # RFC 3262 section 3
                self._respond(self._invite, 504, now)
                self._end(now, Cause.NO_PRACK)

    def _responding(self, status: int) -> None:
        if status >= 200:
            self._stop_ringing()

    def _stop_ringing(self) -> None:
        self._provisional = None
        self._core.timers.cancel((self, "RESEND_1XX"))
        self._core.timers.cancel((self, "NO_PRACK"))

    def _end(self, now: float, cause: Cause | None = None, reason: str = "") -> None:
        self._stop_ringing()
        if self.state in (State.INCOMING, State.RINGING):
            self._setup_over()
        super()._end(now, cause, reason)


def wants_replacement(request: Request) -> tuple[tuple[str, str, str], bool] | None:
    """The dialog that a Replaces header names, as its id on our side, and whether only an early one is meant.

    RFC 3891 section 3: its to-tag is ours. Raises SipParseError.
    """
    values = request.headers.all("Replaces")
    if not values:
        return None
    if len(values) > 1:  # section 3: more than one is 400
        raise SipParseError("Replaces stands there more than once")
    value = values[0]
    call_id, *pieces = value.split(";")
    params = parse_params(pieces)
    return (call_id.strip(), params.get("to-tag", ""), params.get("from-tag", "")), "early-only" in params


def reached_by_flow(request: Request, hop: Uri, flow: Flow, nat: bool) -> bool:
    """Whether requests to the neighbour go back by `flow`, for the address that it names, `hop`, does not lead to it.

    So it is with a user agent behind a NAT, or at the other end of a connection that only it can make; and with an
    address of a private network that came from outside of one.
    """
    if is_private(hop.host) and not is_private(flow.remote[0]):
        return True
    at_via = hop.host == request.via.host
    return (nat and (is_alone(request) or at_via)) or (flow.reliable and is_alone(request))
