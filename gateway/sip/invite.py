"""A session made by INVITE: one call's signalling, from the callee's side (RFC 3261 sections 13 to 15).

INCOMING --ring--> RINGING --answer--> ANSWERED --ACK--> CONFIRMED --BYE--> ENDED
    \\------- reject, CANCEL, or an answer that is never acknowledged -------/
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.sip.dialog import Dialog
from gateway.sip.flow import Flow
from gateway.sip.message import Message, Request, Response
from gateway.sip.refer import Referral
from gateway.sip.server_tx import ServerTransaction
from gateway.sip.uri import Uri

if TYPE_CHECKING:
    from gateway.sip.core import Core


class State(enum.Enum):
    INCOMING = "incoming"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new call. Its session waits for ring, answer or reject."""

    session: Session


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK came; `body` is its SDP where the INVITE had none (section 13.2.1), else empty."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A re-INVITE with or without an offer: answer it at once with `session.answer` or `session.refuse_reoffer`."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over. `cause` is one of cancelled, bye, no-ack, transport; `reason` the Reason header if any."""

    session: Session
    cause: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """The transfer moved on, or ended when `session.referral.done`."""

    session: Session


Event = Incoming | Confirmed | Reoffered | Ended | ReferProgress


class Session:
    """One call. Verbs may be called at any time; one that comes too late does nothing."""

    def __init__(self, core: Core, transaction: ServerTransaction, flow: Flow, tag: str, contact: Uri) -> None:
        self._core = core
        self._invite = transaction
        self._offering = transaction  # the INVITE or re-INVITE that an answer goes to
        self.request = transaction.request
        self.dialog = Dialog.of_server(self.request, tag, contact, flow)
        self.state = State.INCOMING
        self.referral: Referral | None = None
        self._last_2xx: Response | None = None
        self._interval = 0.0
        self._bye_after_ack = ""

    def __str__(self) -> str:
        return f"{self.dialog.call_id} {self.state.value} {self.dialog.remote.uri} via {self.dialog.flow}"

    @property
    def offer(self) -> bytes:
        """The body of the INVITE: its SDP, or empty (delayed offer)."""
        return sdp_of(self.request)

    # verbs

    def ring(self, now: float) -> None:
        if self.state is State.INCOMING:
            self.state = State.RINGING
            self._respond(180, now)

    def answer(self, body: bytes, now: float) -> None:
        """200 with our SDP, to the INVITE or to the re-INVITE that waits for it; resent until the ACK comes."""
        if self.state is State.ENDED or self._offering.answered:
            return
        if self._offering is self._invite:
            self.state = State.ANSWERED
        response = self._respond(200, now, body)
        self._last_2xx = response
        self._interval = self._core.timing.t1
        self._core.timers.set((self, "RESEND_2XX"), now + self._interval)
        self._core.timers.set((self, "NO_ACK"), now + self._core.timing.patience)

    def reject(self, status: int, now: float, reason: str = "", headers: dict[str, str] | None = None) -> None:
        """Refuse the call: 300 to 699, with extra headers such as Retry-After, Warning or Reason."""
        if self.state in (State.INCOMING, State.RINGING):
            self._respond(status, now, reason=reason, headers=headers)
            self._end()

    def refuse_reoffer(self, status: int, now: float, headers: dict[str, str] | None = None) -> None:
        """Refuse a re-INVITE: the session goes on as it was (section 14.2)."""
        if self._offering is not self._invite and not self._offering.answered:
            self._respond(status, now, headers=headers)

    def bye(self, now: float, reason: str = "") -> None:
        """Hang up. Before the ACK has come it waits for it (section 15); `reason` is a Reason header (RFC 3326)."""
        if self.state is State.CONFIRMED:
            request, flow = self.dialog.request("BYE", self._core.branch())
            if reason:
                request.headers.add("Reason", reason)
            self._core.request(request, flow, self, now)
            self._end()
        elif self.state is State.ANSWERED:
            self._bye_after_ack = reason or "SIP"
        else:
            self.reject(480, now)

    def refer(self, target: str, now: float, patience: float = 60.0) -> Referral | None:
        """Ask the peer to call `target`, a URI. None while another transfer is open or the session is not up.

        Raises SipParseError for what is no URI.
        """
        Uri.parse(target)
        if self.state is not State.CONFIRMED or (self.referral and not self.referral.done):
            return None
        request, flow = self.dialog.request("REFER", self._core.branch())
        request.headers.add("Refer-To", f"<{target}>")
        request.headers.add("Referred-By", f"<{self.dialog.local.uri}>")
        self.referral = Referral(target, self.dialog.local_seq)
        self._core.timers.set((self, "REFER"), now + patience)
        self._core.request(request, flow, self, now)
        return self.referral

    # inputs

    def receive_ack(self, request: Request, now: float) -> None:
        if self._last_2xx is None or request.cseq.number != self._last_2xx.cseq.number:
            return
        self._stop_resending()
        if self.state is State.ANSWERED:
            self.state = State.CONFIRMED
            self._core.emit(Confirmed(self, sdp_of(request)))
            if self._bye_after_ack:
                self.bye(now, "" if self._bye_after_ack == "SIP" else self._bye_after_ack)

    def receive_cancel(self, now: float) -> None:
        """Section 9.2: the INVITE gets 487; one that is answered already stays answered."""
        if self.state in (State.INCOMING, State.RINGING):
            self._respond(487, now)
            self._end("cancelled")

    def receive(self, transaction: ServerTransaction, now: float) -> None:
        """A request within the dialog, in order."""
        request = transaction.request
        match request.method:
            case "BYE":
                transaction.respond(request.respond(200), now)
                if not self._invite.answered:  # BYE on an early dialog (section 15.1.2)
                    self._respond(487, now)
                self._end("bye", request.headers.get("Reason") or "")
            case "INVITE":
                self._receive_reinvite(transaction, now)
            case "NOTIFY":
                known = self.referral is not None and self.referral.receive_notify(request)
                transaction.respond(request.respond(200 if known else 481), now)
                if known:
                    self._refer_moved()
            case "OPTIONS":
                transaction.respond(self._core.options(request), now)
            case _:
                transaction.respond(self._core.not_allowed(request), now)

    def _receive_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        if self.state is not State.CONFIRMED or not self._offering.answered:
            response = request.respond(500)  # the last offer is not settled (section 14.2)
            response.headers.add("Retry-After", 1)
            transaction.respond(response, now)
            return
        if request.contact:
            self.dialog.remote_target = request.contact.uri
        self._offering = transaction
        self._core.emit(Reoffered(self, sdp_of(request)))

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        """What became of a BYE or a REFER of ours."""
        if request.method == "REFER" and self.referral and self.referral.cseq == request.cseq.number:
            self.referral.receive_response(response)
            self._refer_moved()
        gone = response is None or response.status in (408, 481)  # section 12.2.1.2
        if gone and request.method != "BYE" and self.state is not State.ENDED:
            self._end("transport" if response is None else "bye")

    def expire(self, timer: str, now: float) -> None:
        match timer:
            case "RESEND_2XX" if self._last_2xx:
                self._core.send(self._last_2xx.serialize(), self._offering.flow)
                self._interval = min(2 * self._interval, self._core.timing.t2)
                self._core.timers.set((self, "RESEND_2XX"), now + self._interval)
            case "NO_ACK":  # section 13.3.1.4
                self._stop_resending()
                self.state = State.CONFIRMED  # so that a BYE may be sent
                self.bye(now)
                self._core.emit(Ended(self, "no-ack"))
            case "REFER" if self.referral:
                self.referral.give_up()
                self._refer_moved()

    def _refer_moved(self) -> None:
        if self.referral and self.referral.done:
            self._core.timers.cancel((self, "REFER"))
        self._core.emit(ReferProgress(self))

    def _respond(
        self, status: int, now: float, body: bytes = b"", reason: str = "", headers: dict[str, str] | None = None
    ) -> Response:
        request = self._offering.request
        response = request.respond(status, reason, to_tag=self.dialog.local.tag)
        if 100 < status < 300:
            for route in request.headers.all("Record-Route"):
                response.headers.add("Record-Route", route)
            response.headers.add("Contact", f"<{self.dialog.contact}>")
            response.headers.add("Allow", self._core.allow)
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        for name, value in (headers or {}).items():
            response.headers.add(name, value)
        self._core.finish_response(response)
        self._offering.respond(response, now)
        return response

    def _stop_resending(self) -> None:
        self._core.timers.cancel((self, "RESEND_2XX"))
        self._core.timers.cancel((self, "NO_ACK"))

    def _end(self, cause: str = "", reason: str = "") -> None:
        """`cause` is told to the user of the session; ends of its own making need no telling."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self._stop_resending()
        self._core.timers.cancel((self, "REFER"))
        self._core.forget_session(self)
        if cause:
            self._core.emit(Ended(self, cause, reason))


def sdp_of(message: Message) -> bytes:
    """The SDP of a message, also from within multipart/mixed (RFC 5621); empty where there is none."""
    kind = message.content_type
    if not message.body or kind in ("application/sdp", ""):
        return message.body
    if kind.startswith("multipart/"):
        _, _, boundary = (message.headers.get("Content-Type") or "").partition("boundary=")
        mark = b"--" + boundary.partition(";")[0].strip().strip('"').encode()
        for part in message.body.split(mark)[1:]:
            head, _, content = part.partition(b"\r\n\r\n")
            if b"application/sdp" in head.lower():
                return content.rstrip(b"\r\n") + b"\r\n"
    return b""
