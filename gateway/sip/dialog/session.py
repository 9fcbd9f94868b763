"""A session: what both sides of a call do once there is a dialog (RFC 3261 sections 12 to 15).

Offers in both directions by re-INVITE and UPDATE (RFC 3311), session timers (RFC 4028), REFER (RFC 3515), BYE. How a
session begins is told by `callee` and `caller`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gateway.sip.dialog import info, session_timer
from gateway.sip.dialog.dialog import Dialog
from gateway.sip.invite.refer import IncomingRefer, OutgoingRefer
from gateway.sip.message.message import REASONS, Message, Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.register.digest import Login
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.trunk.settings import Trunk


class State(enum.Enum):
    INCOMING = "incoming"
    CALLING = "calling"
    RINGING = "ringing"
    ANSWERED = "answered"  # by us: the ACK is still to come
    CONFIRMED = "confirmed"
    ENDED = "ended"


# what a session tells


class Cause(enum.Enum):
    """Why a session ended, or never came to be."""

    BYE = "bye"
    CANCELLED = "cancelled"  # by the caller, or by us
    TRANSPORT = "transport"  # no response to a request within the dialog
    NO_ACK = "no ACK"
    NO_PRACK = "no PRACK"
    SESSION_EXPIRED = "session timer expired"
    REFUSED = "refused"  # our INVITE, by a final response
    NO_ANSWER = "no answer in time"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK came; `body` is its SDP where the INVITE had none (section 13.2.1), else empty."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A re-INVITE with or without an offer, or an UPDATE with one.

    Answer it at once with `session.answer` or `session.refuse_reoffer`.
    """

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Reanswered:
    """An offer of ours in a re-INVITE, or in the 2xx to one, has its answer: `body`."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class ReofferRefused:
    """A re-INVITE of ours was refused with `status`: the session goes on as it was."""

    session: Session
    status: int


@dataclass(frozen=True, slots=True)
class Digit:
    """A key by INFO: one of 0-9 * # A-D."""

    session: Session
    digit: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. `reason` is the Reason header if there was any.

    `cause` is one of BYE, CANCELLED, TRANSPORT, NO_ACK, NO_PRACK, SESSION_EXPIRED.
    """

    session: Session
    cause: Cause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """The transfer moved on, or ended when `session.outgoing_refer.done`."""

    session: Session


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER that its trunk lets us follow: call `incoming_refer.target`, and tell how it goes by `tell_referrer`."""

    session: Session
    incoming_refer: IncomingRefer


class Session:
    """One call. Verbs may be called at any time; one that comes too late does nothing."""

    we_called = False

    def __init__(self, core: CorePort, dialog: Dialog, request: Request, trunk: Trunk | None) -> None:
        self._core = core
        self.dialog = dialog
        self.request = request  # the INVITE
        self.trunk = trunk  # whose call it is
        self.state = State.INCOMING
        self.outgoing_refer: OutgoingRefer | None = None  # a REFER of ours
        self._incoming_refer: IncomingRefer | None = None  # one of the peer's
        self.login: Login | None = None
        self._offering: ServerTransaction | None = None  # what of the peer's an answer goes to
        self._last_2xx: Response | None = None
        self._interval = 0.0
        self._ours: Request | None = None  # our re-INVITE on its way
        self._ack: tuple[int, str, bytes] | None = None  # CSeq and tag of the 2xx that it belongs to
        self._flow_of_ack = dialog.flow
        self.description = b""  # what we sent last: SDP
        self._clock = session_timer.Clock(self, core)
        self.peer_allows = ""
        self.behind_nat = False  # the peer, as its signalling shows

    def __str__(self) -> str:
        return f"{self.dialog.call_id} {self.state.value} {self.dialog.remote.uri} via {self.dialog.flow}"

    def dialogs(self) -> list[Dialog]:
        """All that requests of the peer's may belong to; several while an INVITE is forked."""
        return [self.dialog]

    # verbs

    def answer(self, body: bytes, now: float) -> None:
        """200 with our SDP, to what waits for it: the INVITE, a re-INVITE, an UPDATE. Resent until the ACK comes."""
        offering = self._offering
        if self.state is State.ENDED or offering is None or offering.answered:
            return
        self.description = body or self.description
        response = self._respond(offering, 200, now, body, headers=self._clock.agree(offering.request, now))
        if offering.request.method == "UPDATE":
            return  # nobody acknowledges it
        self._last_2xx = response
        self._interval = self._core.timing.t1
        self._core.timers.set((self, "RESEND_2XX"), now + self._interval)
        self._core.timers.set((self, "NO_ACK"), now + self._core.timing.transaction_timeout)

    def refuse_reoffer(self, status: int, now: float, headers: dict[str, str] | None = None) -> None:
        """Refuse a re-INVITE: the session goes on as it was (section 14.2)."""
        if self._offering and not self._offering.answered:
            self._respond(self._offering, status, now, headers=headers)

    def reoffer(self, body: bytes, now: float) -> bool:
        """A re-INVITE of ours: hold, resume, move. Told by Reanswered or ReofferRefused; False: not now.

        Where both sides ask at once it is tried again after a while (491, section 14.1). Without a body it asks for an
        offer, which Reanswered holds and `acknowledge` answers.
        """
        if self.state is not State.CONFIRMED or self._ours or not self._settled:
            return False
        request, flow = self.dialog.request("INVITE", self._core.branch())
        self._core.introduce(request, self.trunk)
        if self._clock.timer:
            request.headers.add("Session-Expires", self._clock.timer.header(we_ask=True))
        self._set_body(request, body)
        self._ours = request
        self._core.request(request, flow, self, now)
        return True

    def acknowledge(self, body: bytes, now: float) -> None:
        """The ACK with our answer, where the offer came in the 2xx (section 13.2.2.4)."""
        if self._ours:
            invite, self._ours = self._ours, None
            self._send_ack(invite, self.dialog, body)

    def bye(self, now: float, reason: str = "") -> None:
        """Hang up; `reason` is a Reason header (RFC 3326)."""
        if self.state is State.CONFIRMED:
            self._send_bye(self.dialog, now, reason)
            self._end(now)

    def abandon(self, now: float) -> None:
        """End it whatever its state: its owner is gone."""
        self.bye(now, 'SIP;cause=500;text="internal error"')
        self._end(now)

    def refer(
        self, target: str, now: float, timeout: float = 60.0, replaces: Session | None = None
    ) -> OutgoingRefer | None:
        """Ask the peer to call `target`, a URI, and there to take the place of `replaces` (RFC 3891).

        None while another transfer is open or the session is not up. Raises SipParseError for what is no URI.
        """
        uri = Uri.parse(target)
        if self.state is not State.CONFIRMED or (self.outgoing_refer and not self.outgoing_refer.done):
            return None
        if replaces:
            target = str(replaces.dialog.as_replaces(uri))
        request, flow = self.dialog.request("REFER", self._core.branch())
        request.headers.add("Refer-To", f"<{target}>")
        request.headers.add("Referred-By", f"<{self.dialog.local.uri}>")
        self.outgoing_refer = OutgoingRefer(target, self.dialog.local_seq)
        self._core.timers.set((self, "REFER"), now + timeout)
        self._core.request(request, flow, self, now)
        return self.outgoing_refer

    def tell_referrer(self, status: int, now: float, phrase: str = "") -> None:
        """NOTIFY whose REFER we follow how the call to its target goes (section 2.4.4)."""
        incoming_refer = self._incoming_refer
        if incoming_refer is None or incoming_refer.done or self.state is State.ENDED:
            return
        request, flow = self.dialog.request("NOTIFY", self._core.branch())
        incoming_refer.tell(request, status, phrase or REASONS.get(status, "Unknown"))
        if not incoming_refer.quiet:
            self._core.request(request, flow, self, now)

    def send_digit(self, digit: str, now: float, milliseconds: int = 160) -> None:
        """A key by INFO, for peers that take no telephone-event."""
        if self.state is State.CONFIRMED:
            request, flow = self.dialog.request("INFO", self._core.branch())
            request.headers.add("Content-Type", info.TYPES[0])
            request.body = f"Signal={digit}\r\nDuration={milliseconds}\r\n".encode()
            self._core.request(request, flow, self, now)

    # inputs: requests

    def receive_ack(self, request: Request, now: float) -> None:
        if self._last_2xx is None or request.cseq.number != self._last_2xx.cseq.number:
            return
        self._stop_resending()
        self._last_2xx = None
        self._acknowledged(request.sdp, now)

    def _acknowledged(self, body: bytes, now: float) -> None:
        """The ACK to a re-INVITE; `body` is its SDP where ours was the offer."""
        if body and self._offering and not self._offering.request.body:
            self._core.emit(Reanswered(self, body))

    def receive_cancel(self, now: float) -> None:
        """Section 9.2: only an INVITE without a final response is ended by it."""

    def receive(self, transaction: ServerTransaction, now: float) -> None:
        """A request within the dialog, in order."""
        request = transaction.request
        self.peer_allows = request.headers.get("Allow") or self.peer_allows
        match request.method:
            case "BYE":
                transaction.respond(request.respond(200), now)
                self._end(now, Cause.BYE, request.headers.get("Reason") or "")
            case "INVITE" | "UPDATE":
                self._receive_offer(transaction, now)
            case "INFO":
                self._receive_info(transaction, now)
            case "NOTIFY":
                known = self.outgoing_refer is not None and self.outgoing_refer.receive_notify(request)
                if known:
                    self._explain_refer()
                transaction.respond(request.respond(200 if known else 481), now)
                if known:
                    self._refer_moved()
            case "OPTIONS":
                transaction.respond(self._core.options(request), now)
            case "PRACK":
                transaction.respond(request.respond(481), now)
            case "REFER":
                self._receive_refer(transaction, now)
            case _:
                transaction.respond(self._core.not_allowed(request), now)

    @property
    def _settled(self) -> bool:
        """Every offer of the peer's has its answer, and that its ACK."""
        return (self._offering is None or self._offering.answered) and self._last_2xx is None

    def _may_be_offered(self) -> bool:
        return self.state is State.CONFIRMED and (self._offering is None or self._offering.answered)

    def _receive_offer(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        refresh = request.method == "UPDATE" and not request.body
        if self._ours and not refresh:  # both at once (section 14.2)
            transaction.respond(request.respond(491), now)
            return
        if not refresh and not self._may_be_offered():
            response = request.respond(500)  # the last offer is not settled (section 14.2)
            response.headers.add("Retry-After", 1)
            transaction.respond(response, now)
            return
        if session_timer.is_too_short(request, self.trunk):
            least = str(session_timer.least_for(self.trunk))
            transaction.respond(self._core.refusal(request, 422, Min_SE=least), now)
            return
        self.dialog.retarget(request)
        if refresh and not self._may_be_offered():  # an early dialog: nothing to agree on yet
            transaction.respond(request.respond(200), now)
            return
        self._offering = transaction
        if refresh:
            self.answer(b"", now)
        else:
            self._core.emit(Reoffered(self, request.sdp))

    def _receive_refer(self, transaction: ServerTransaction, now: float) -> None:
        """Followed only where the trunk allows it, and one at a time."""
        incoming_refer = IncomingRefer(transaction.request, first=self._incoming_refer is None)
        busy = self._incoming_refer is not None and not self._incoming_refer.done
        allowed = self.trunk is not None and self.trunk.refers_to(incoming_refer.target, self.dialog.flow.remote[0])
        if busy or not allowed or self.state is not State.CONFIRMED:
            transaction.respond(transaction.request.respond(491 if busy else 603), now)
            return
        self._incoming_refer = incoming_refer
        self._respond(transaction, 202, now, headers=incoming_refer.accepted())
        self.tell_referrer(100, now)
        self._core.emit(Referred(self, incoming_refer))

    def _receive_info(self, transaction: ServerTransaction, now: float) -> None:
        keys, response = info.receive(transaction.request)
        transaction.respond(response, now)
        for key in keys:
            self._core.emit(Digit(self, key))

    # inputs: responses

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        """What became of a request of ours within the dialog; None where nothing came."""
        if response and response.status in (401, 407) and self._sign_again(request, response, now):
            return
        if request is self._ours or (response and request.method == "INVITE"):
            self._reoffer_moved(request, response, now)
        if self.state is State.ENDED:
            return
        if request.method == "UPDATE" and response:
            self._clock.refreshed(response, now)
        if request.method == "REFER" and self.outgoing_refer and self.outgoing_refer.cseq == request.cseq.number:
            self.outgoing_refer.receive_response(response)
            self._explain_refer()
            self._refer_moved()
        gone = response is None or response.status in (408, 481)  # section 12.2.1.2
        if gone and request.method not in ("BYE", "PRACK", "NOTIFY"):  # those may come too late, and the call goes on
            self._end(now, Cause.TRANSPORT if response is None else Cause.BYE)

    def _sign_again(self, request: Request, response: Response, now: float) -> bool:
        """The same once more with credentials (section 22.2)."""
        if self.login is None or not self.login.take(response, request):
            return False
        again, flow = self.dialog.again(request, self._core.branch())
        self.login.sign(again)
        if self._ours is request:
            self._ours = again
        if self.outgoing_refer and self.outgoing_refer.cseq == request.cseq.number:
            self.outgoing_refer.cseq = again.cseq.number
        self._core.request(again, flow, self, now)
        return True

    def _reoffer_moved(self, request: Request, response: Response | None, now: float) -> None:
        if response and 200 <= response.status < 300:
            if self._ack and self._ack[:2] == (request.cseq.number, response.to.tag):
                self._core.send(self._ack[2], self._flow_of_ack)  # the 2xx again: our ACK was lost
            elif request is self._ours:
                self.dialog.retarget(response)
                if self._clock.timer:
                    self._clock.keep(session_timer.granted(response), now)
                if request.body:
                    self.acknowledge(b"", now)
                self._core.emit(Reanswered(self, response.sdp))
        elif request is self._ours and (response is None or response.status >= 300):
            self._ours = None
            if response and response.status == 491 and self.state is State.CONFIRMED:
                low, high = (2.1, 4.0) if self.we_called else (0.0, 2.0)  # who made the Call-ID waits longer
                self._core.timers.set((self, "GLARE"), now + low + (high - low) * self._core.chance())
            elif response:
                self._core.emit(ReofferRefused(self, response.status))

    def _send_ack(self, invite: Request, dialog: Dialog, body: bytes) -> None:
        """Of a 2xx: a request of the dialog's own, sent again whenever the 2xx comes again (section 13.2.2.4)."""
        ack, self._flow_of_ack = dialog.request("ACK", self._core.branch(), invite.cseq.number)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.all(name):
                ack.headers.add(name, value)
        self._set_body(ack, body)
        data = ack.serialize()
        self._ack = invite.cseq.number, dialog.remote.tag, data
        self._core.send(data, self._flow_of_ack)

    def _send_bye(self, dialog: Dialog, now: float, reason: str = "") -> None:
        request, flow = dialog.request("BYE", self._core.branch())
        if reason:
            request.headers.add("Reason", reason)
        self._core.request(request, flow, self, now)

    def _set_body(self, message: Message, body: bytes) -> None:
        if body:
            message.headers.add("Content-Type", "application/sdp")
            message.body = self.description = body

    # time

    def expire(self, timer: str, now: float) -> None:
        if self.state is State.ENDED:  # by a timer that came due at the same moment
            return
        match timer:
            case "RESEND_2XX" if self._last_2xx and self._offering:
                self._core.send(self._last_2xx.serialize(), self._offering.flow)
                self._interval = min(2 * self._interval, self._core.timing.t2)
                self._core.timers.set((self, "RESEND_2XX"), now + self._interval)
            case "NO_ACK":  # section 13.3.1.4
                self._stop_resending()
                self._send_bye(self.dialog, now)
                self._end(now, Cause.NO_ACK)
            case "REFER" if self.outgoing_refer:
                self.outgoing_refer.give_up()
                self._refer_moved()
            case "GLARE":
                self.reoffer(self.description, now)
            case "SESSION" if self._clock.refresh(now):
                pass
            case "SESSION" | "SESSION_END":  # RFC 4028 section 10
                self.bye(now, 'SIP;cause=408;text="session timer expired"')
                self._core.emit(Ended(self, Cause.SESSION_EXPIRED))
            case _:
                self._expire(timer, now)

    def _expire(self, timer: str, now: float) -> None:
        """Timers of a session that is only beginning."""

    def _explain_refer(self) -> None:
        """What such a refusal means at this carrier, where that is known."""
        one = self.outgoing_refer
        if self.trunk and one and one.done and one.status >= 300:
            one.reason = self.trunk.explained("REFER", one.status, one.reason)

    def _refer_moved(self) -> None:
        assert self.outgoing_refer is not None
        if self.outgoing_refer.done:
            self._core.timers.cancel((self, "REFER"))
        self._core.emit(ReferProgress(self))

    def _responding(self, status: int) -> None:
        """A response to the peer is about to leave."""

    def _respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        body: bytes = b"",
        reason: str = "",
        headers: dict[str, str] | None = None,
    ) -> Response:
        self._responding(status)
        request = transaction.request
        response = request.respond(status, reason, to_tag=self.dialog.local.tag)
        if 100 < status < 300:
            for value in request.headers.all("Record-Route"):
                response.headers.add("Record-Route", value)
            response.headers.add("Contact", f"<{self.dialog.contact}>")
            self._core.introduce(response, self.trunk)
        for name, value in (headers or {}).items():
            response.headers.add(name, value)
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        self._core.finish_response(response)
        transaction.respond(response, now)
        return response

    def _stop_resending(self) -> None:
        self._core.timers.cancel((self, "RESEND_2XX"))
        self._core.timers.cancel((self, "NO_ACK"))

    def _end(self, now: float, cause: Cause | None = None, reason: str = "") -> None:
        """`cause` is told to the user of the session; ends of its own making need no telling."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        if self._offering and not self._offering.answered:  # a BYE leaves nothing pending (section 15.1.2)
            self._respond(self._offering, 487, now)
        self._stop_resending()
        for timer in ("REFER", "SESSION", "SESSION_END", "GLARE"):
            self._core.timers.cancel((self, timer))
        self._core.leave(self)
        if cause:
            self._core.emit(Ended(self, cause, reason))
