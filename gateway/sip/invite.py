"""A session made by INVITE: one call's signalling, from the callee's side (RFC 3261 sections 13 to 15).

With reliable provisional responses (RFC 3262), UPDATE (RFC 3311) and session timers (RFC 4028).

INCOMING --ring--> RINGING --answer--> ANSWERED --ACK--> CONFIRMED --BYE--> ENDED
    \\------- reject, CANCEL, or an answer that is never acknowledged -------/
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from gateway.sip import info, reliable, session_timer
from gateway.sip.dialog import Dialog
from gateway.sip.events import Confirmed, Digit, Ended, Reanswered, ReferProgress, Reoffered
from gateway.sip.flow import Flow
from gateway.sip.grammar import parse_int
from gateway.sip.message import Message, Request, Response
from gateway.sip.refer import Referral
from gateway.sip.server_tx import ServerTransaction
from gateway.sip.session_timer import SessionTimer
from gateway.sip.trunks import Trunk
from gateway.sip.uri import Uri

if TYPE_CHECKING:
    from gateway.sip.core import Core


class State(enum.Enum):
    INCOMING = "incoming"
    RINGING = "ringing"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    ENDED = "ended"


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
        self.trunk: Trunk | None = None  # whose call it is
        self._provisional: reliable.Provisional | None = None
        self._timer: SessionTimer | None = None

    def __str__(self) -> str:
        return f"{self.dialog.call_id} {self.state.value} {self.dialog.remote.uri} via {self.dialog.flow}"

    @property
    def offer(self) -> bytes:
        """The body of the INVITE: its SDP, or empty (delayed offer)."""
        return sdp_of(self.request)

    # verbs

    def ring(self, now: float) -> None:
        if self.state is not State.INCOMING:
            return
        self.state = State.RINGING
        if not reliable.required(self.request):
            self._respond(180, now)
        elif self.offer:  # without an offer a reliable 180 would have to hold ours (RFC 3262 section 5)
            interval = self._core.timing.t1
            response = self._respond(180, now, headers={"Require": "100rel", "RSeq": "1"})
            self._provisional = reliable.Provisional(response, 1, interval)
            self._core.timers.set((self, "RESEND_1XX"), now + interval)
            self._core.timers.set((self, "NO_PRACK"), now + self._core.timing.patience)

    def answer(self, body: bytes, now: float) -> None:
        """200 with our SDP, to what waits for it: the INVITE, a re-INVITE, an UPDATE. Resent until the ACK comes."""
        if self.state is State.ENDED or self._offering.answered:
            return
        if self._offering is self._invite:
            self.state = State.ANSWERED
        response = self._respond(200, now, body, headers=self._agree_on_timer(now))
        if self._offering.request.method == "UPDATE":
            return  # nobody acknowledges it
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
        elif request.body and not self._offering.request.body:
            self._core.emit(Reanswered(self, sdp_of(request)))
        self._last_2xx = None

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
            case "INVITE" | "UPDATE":
                self._receive_offer(transaction, now)
            case "PRACK":
                known = self._provisional is not None and self._provisional.acknowledged_by(request)
                transaction.respond(request.respond(200 if known else 481), now)
                if known:
                    self._stop_ringing()
            case "INFO":
                self._receive_info(transaction, now)
            case "NOTIFY":
                known = self.referral is not None and self.referral.receive_notify(request)
                transaction.respond(request.respond(200 if known else 481), now)
                if known:
                    self._refer_moved()
            case "OPTIONS":
                transaction.respond(self._core.options(request), now)
            case "REFER":  # nobody sends our agents elsewhere
                transaction.respond(request.respond(603), now)
            case _:
                transaction.respond(self._core.not_allowed(request), now)

    def _receive_offer(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        refresh = request.method == "UPDATE" and not request.body
        if not refresh and (self.state is not State.CONFIRMED or not self._offering.answered):
            response = request.respond(500)  # the last offer is not settled (section 14.2)
            response.headers.add("Retry-After", 1)
            transaction.respond(response, now)
            return
        if refusal := self._core.too_short(request):
            transaction.respond(refusal, now)
            return
        if request.contact:
            self.dialog.remote_target = request.contact.uri
        if refresh and not self._offering.answered:  # an early dialog: nothing to agree on yet
            transaction.respond(request.respond(200), now)
            return
        self._offering = transaction
        if refresh:
            self.answer(b"", now)
        else:
            self._core.emit(Reoffered(self, sdp_of(request)))

    def _receive_info(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        digit = info.digit_of(request)
        response = request.respond(200 if digit or not request.body else 415)
        if response.status == 415:
            response.headers.add("Accept", ", ".join(info.TYPES))
        transaction.respond(response, now)
        if digit:
            self._core.emit(Digit(self, digit))

    # session timer

    def _agree_on_timer(self, now: float) -> dict[str, str]:
        """The headers of a 2xx that say who refreshes and when; the clock starts anew."""
        request = self._offering.request
        self._keep_time(session_timer.requested(request), now)
        if self._timer is None:
            return {}
        headers = {"Session-Expires": self._timer.header(we_ask=False)}
        if session_timer.supports_timer(request):
            headers["Require"] = "timer"
        return headers

    def _keep_time(self, timer: SessionTimer | None, now: float) -> None:
        self._timer = timer
        self._core.timers.cancel((self, "SESSION_END"))
        if timer:
            self._core.timers.set((self, "SESSION"), now + timer.due)
        else:
            self._core.timers.cancel((self, "SESSION"))

    def _refresh(self, timer: SessionTimer, now: float) -> None:
        """UPDATE without an offer (RFC 4028 section 7.4)."""
        request, flow = self.dialog.request("UPDATE", self._core.branch())
        request.headers.add("Supported", "timer")
        request.headers.add("Session-Expires", timer.header(we_ask=True))
        request.headers.add("Min-SE", session_timer.MIN_SE)
        self._core.request(request, flow, self, now)
        rest = timer.interval / 2 - min(32.0, timer.interval / 3)
        self._core.timers.set((self, "SESSION_END"), now + max(1.0, rest))

    def _refreshed(self, response: Response, now: float) -> None:
        assert self._timer is not None
        if 200 <= response.status < 300:
            self._keep_time(session_timer.granted(response), now)
        elif response.status == 422:
            wanted = parse_int(response.headers.get("Min-SE") or "", "Min-SE", 2**31 - 1)
            if wanted > self._timer.interval:  # else it would be refused for ever
                self._timer = SessionTimer(wanted, ours=True)
                self._refresh(self._timer, now)
        elif response.status in (405, 501):  # a peer that cannot be refreshed is one that needs no refresh
            self._keep_time(None, now)

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        """What became of a BYE, a REFER or an UPDATE of ours."""
        if request.method == "UPDATE" and response and self._timer and self.state is not State.ENDED:
            self._refreshed(response, now)
        if request.method == "REFER" and self.referral and self.referral.cseq == request.cseq.number:
            self.referral.receive_response(response)
            self._refer_moved()
        gone = response is None or response.status in (408, 481)  # section 12.2.1.2
        if gone and request.method != "BYE" and self.state is not State.ENDED:
            self._end("transport" if response is None else "bye")

    def expire(self, timer: str, now: float) -> None:
        if self.state is State.ENDED:  # by a timer that came due at the same moment
            return
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
            case "RESEND_1XX" if self._provisional:
                self._core.send(self._provisional.response.serialize(), self._invite.flow)
                self._provisional.interval *= 2
                self._core.timers.set((self, "RESEND_1XX"), now + self._provisional.interval)
            case "NO_PRACK":  # RFC 3262 section 3
                self._respond(504, now)
                self._end("no-prack")
            case "SESSION" if self._timer and self._timer.ours:
                self._refresh(self._timer, now)
            case "SESSION" | "SESSION_END":  # RFC 4028 section 10
                self.bye(now, 'SIP;cause=408;text="session timer expired"')
                self._core.emit(Ended(self, "session-expired"))

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
            response.headers.add("Supported", self._core.supported)
        if status >= 200:
            self._stop_ringing()
        if body:
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        for name, value in (headers or {}).items():
            response.headers.add(name, value)
        self._core.finish_response(response)
        self._offering.respond(response, now)
        return response

    def _stop_ringing(self) -> None:
        self._provisional = None
        self._core.timers.cancel((self, "RESEND_1XX"))
        self._core.timers.cancel((self, "NO_PRACK"))

    def _stop_resending(self) -> None:
        self._core.timers.cancel((self, "RESEND_2XX"))
        self._core.timers.cancel((self, "NO_ACK"))

    def _end(self, cause: str = "", reason: str = "") -> None:
        """`cause` is told to the user of the session; ends of its own making need no telling."""
        if self.state is State.ENDED:
            return
        self.state = State.ENDED
        self._stop_resending()
        self._stop_ringing()
        for timer in ("REFER", "SESSION", "SESSION_END"):
            self._core.timers.cancel((self, timer))
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
