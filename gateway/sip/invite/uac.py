"""A session that begins with an INVITE of ours (RFC 3261 section 13.2).

CALLING --18x--> RINGING --2xx, ACK--> CONFIRMED --BYE--> ENDED
    \\--- refusal, no answer in time, nobody there, or our CANCEL ---/

One INVITE may fork: each tag in a response is a dialog of its own; the first 2xx wins, and further ones are hung up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from gateway.errors import SipParseError
from gateway.sip.dialog import session_timer
from gateway.sip.dialog.dialog import Dialog, head
from gateway.sip.dialog.session import Cause, Session, State
from gateway.sip.flow import Flow
from gateway.sip.message.grammar import parse_int, unquote
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Headers, Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.register.digest import Login
from gateway.sip.transaction import client as client_tx
from gateway.sip.transaction.matching import is_private
from gateway.sip.trunk.settings import Trunk

NOWHERE = Flow("udp", ("", 0), ("", 0))
"""Before it is known where the INVITE goes."""

LARGE = 1300
"""Bytes beyond which a request may not fit into one datagram."""

MAX_DIALOGS = 20
"""Forks that are followed; a peer cannot make more."""


@dataclass(frozen=True, slots=True)
class InviteParameters:
    """What to ask of whom. `hop` is where it is asked, if not at the target itself: a trunk's server, a proxy; `flows`
    are the ways there where they are known already. They are tried in order while nobody has been heard to ring.

    `offer` makes our SDP for the way to the peer; without it the offer is asked for. `headers` go
    into the INVITE as they are (names and values without line ends). A call that nobody answers within `ring_seconds`
    is cancelled; a flow that says nothing for `next_seconds` is given up where there is another. Up to `redirects` 3xx
    responses are followed. `session_seconds` of 0 asks for no session timer. `bound`: it is a telephone that registered
    here, and `flows` the way by which it did.
    """

    target: Uri
    caller: NameAddr
    callee: NameAddr
    hop: Uri | None = None
    flows: tuple[Flow, ...] = ()
    offer: Callable[[Flow], bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    routes: tuple[str, ...] = ()
    login: Login | None = None
    trunk: Trunk | None = None
    ring_seconds: float = 60.0
    next_seconds: float = 4.0
    redirects: int = 0
    session_seconds: int = session_timer.PREFERRED
    bound: bool = False


# what it tells


@dataclass(frozen=True, slots=True)
class Progress:
    """18x to our INVITE; `body` is the SDP of early media, or empty."""

    session: Session
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """2xx to our INVITE. `body` is its SDP; where our INVITE had none, answer it at once with `session.acknowledge`."""

    session: Session
    body: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """Our INVITE came to nothing. `cause` is one of REFUSED, NO_ANSWER, UNREACHABLE, CANCELLED.

    `status` and `phrase` are the response's, `reason` its Reason header.
    """

    session: Session
    cause: Cause
    status: int
    phrase: str
    reason: str = ""
    headers: Headers = field(default_factory=Headers)


class UacSession(Session):
    """We call."""

    we_called = True

    def __init__(
        self,
        core: CorePort,
        invitation: InviteParameters,
        call_id: str,
        tag: str,
        now: float,
    ) -> None:
        self._core = core
        self._invitation = invitation
        self._target, self._flows = invitation.target, list(invitation.flows)
        self._redirects = invitation.redirects
        self._session_seconds = invitation.session_seconds
        self._cseq = 0
        self._early: dict[str, Dialog] = {}  # by the peer's tag
        self._rseq: dict[str, int] = {}
        self._given_up = self._proceeding = self._cancelled = False
        self._reason = ""
        self._too_large = False  # it was, and TCP has been tried
        self._attempts: dict[int, Flow] = {}  # by CSeq: where each INVITE went
        self._call_id, self._from = call_id, invitation.caller.with_tag(tag)
        contact = core.own_contact(NOWHERE, invitation.trunk)
        dialog = Dialog(call_id, self._from, invitation.callee, self._target, [], 0, -1, contact, NOWHERE)
        self._invite_flow = NOWHERE
        super().__init__(core, dialog, Request(), invitation.trunk)
        core.enter(self)
        self.login = invitation.login
        self.state = State.CALLING
        core.timers.set((self, "RING"), now + invitation.ring_seconds)
        if self._flows:
            self._ask(self._flows.pop(0), now)
        else:
            core.locate(invitation.hop or invitation.target, self._located, invitation.trunk)

    def dialogs(self) -> list[Dialog]:
        return [self.dialog, *self._early.values()]

    # verbs

    def bye(self, now: float, reason: str = "") -> None:
        """Hang up; before the answer that is a CANCEL."""
        if self.state in (State.CALLING, State.RINGING):
            self._give_up(Cause.CANCELLED, 487, "Request Terminated", now, reason)
        else:
            super().bye(now, reason)

    # the INVITE

    def _located(self, flows: tuple[Flow, ...], now: float) -> None:
        if self.state is not State.CALLING or self._given_up:
            return
        self._flows = self._core.trunks.usable(self.trunk, flows)
        if self._flows:
            self._ask(self._flows.pop(0), now)
        else:
            self._reject(now, Cause.UNREACHABLE, 503, f"{self._invitation.hop or self._target} is nowhere to be found")

    def _ask(self, flow: Flow, now: float) -> None:
        asked = self._invitation
        self._cseq += 1
        self.dialog.flow, self.dialog.contact = flow, self._core.own_contact(flow, self.trunk)
        self.dialog.local_seq = self._cseq
        headers = head(
            flow, self._core.branch(), list(asked.routes), self._from, asked.callee, self._call_id,
            f"{self._cseq} INVITE",
        )  # fmt: skip
        request = Request(headers, method="INVITE", uri=self._target)
        headers.add("Contact", f"<{self.dialog.contact}>")
        self._core.introduce(request, self.trunk)
        if self.trunk and self.trunk.prack == "required":
            headers.add("Require", "100rel")
        if self._session_seconds:
            headers.add("Session-Expires", session_timer.asked(self._session_seconds, self.trunk))
            headers.add("Min-SE", self.trunk.session_min_seconds if self.trunk else session_timer.MIN_SE)
        for name, value in asked.headers:
            headers.add(name, value)
        self._set_body(request, asked.offer(flow) if asked.offer else b"")
        if self.login:
            self.login.sign(request)
        self.request, self._proceeding, self._invite_flow = request, False, flow
        self._attempts[self._cseq] = flow
        if len(request.serialize()) > LARGE and flow.transport == "udp":  # section 18.1.1: by TCP where that is spoken
            self._flows.insert(0, flow)
            if not self._too_large:
                self._too_large = True
                self._ask(replace(flow, transport="tcp"), now)
                return
            self._flows.pop(0)
        if self._flows:
            self._core.timers.set((self, "NEXT"), now + asked.next_seconds)
        self._core.request(request, flow, self, now)

    def receive_response(self, request: Request, response: Response | None, now: float) -> None:
        if request.method == "CANCEL":
            return
        if request.method != "INVITE" or (request is not self.request and request.cseq.number > self._cseq):
            super().receive_response(request, response, now)
        elif request is not self.request:
            self._late(request, response, now)
        elif response is None:
            self._failed(now)
        elif response.status < 200:
            self._provisional(response, now)
        elif response.status < 300:
            self._accepted(response, now)
        elif self.state in (State.CALLING, State.RINGING):
            self._refused(response, now)

    def _late(self, request: Request, response: Response | None, now: float) -> None:
        """A response to an attempt that was given up for the next one: cancel it, or hang up."""
        if response and response.status < 200:
            if flow := self._attempts.pop(request.cseq.number, None):
                self._core.request(client_tx.cancel(request), flow, self, now)
        elif response and response.status < 300:
            dialog = Dialog.of_client(request, response, self.dialog.contact, self._invite_flow)
            self._decline(request, dialog, now)

    def _provisional(self, response: Response, now: float) -> None:
        self._proceeding = True
        self._core.timers.cancel((self, "NEXT"))
        if self._given_up:
            self._send_cancel(now)
            return
        if response.status == 100 or self.state not in (State.CALLING, State.RINGING):
            return
        self.state = State.RINGING
        if (tag := response.to.tag) and not self._fork(tag, response, now):
            return  # a resend of what was acknowledged
        self._core.emit(Progress(self, response.status, response.sdp))

    def _fork(self, tag: str, response: Response, now: float) -> bool:
        """Keep the early dialog that a provisional response belongs to, and acknowledge a reliable one (RFC 3262)."""
        dialog = self._early.get(tag)
        if dialog is None:
            if len(self._early) >= MAX_DIALOGS:
                return False
            dialog = self._early[tag] = self._dialog_of(response)
            self._core.adopt(dialog, self)
        if "100rel" not in {one.lower() for one in response.headers.all("Require")}:
            return True
        rseq, last = parse_int(response.headers.get("RSeq") or "", "RSeq", 2**32 - 1), self._rseq.get(tag)
        if last is not None and rseq != last + 1:
            return False
        self._rseq[tag] = rseq
        prack, flow = dialog.request("PRACK", self._core.branch())
        prack.headers.add("RAck", f"{rseq} {response.cseq}")
        self._core.request(prack, flow, self, now)
        return True

    def _dialog_of(self, response: Response) -> Dialog:
        flow = self._invite_flow
        contact = self._core.own_contact(flow, self.trunk)
        return Dialog.of_client(self.request, response, contact, flow, self._reached_by_flow(response))

    def _reached_by_flow(self, response: Response) -> bool:
        """A telephone that registered here is reached by the way that its REGISTER came; a private address from outside
        of a network leads nowhere."""
        if self.trunk and self.trunk.nat == "off":
            return False
        routes, contact = response.headers.all("Record-Route"), response.contact
        if self._invitation.bound:
            self.behind_nat = True
            return not routes
        hop = NameAddr.parse(routes[-1]).uri if routes else contact.uri if contact else None
        return hop is not None and is_private(hop.host) and not is_private(self._invite_flow.remote[0])

    def _accepted(self, response: Response, now: float) -> None:
        tag = response.to.tag
        if self._ack and self._ack[1] == tag:
            self._core.send(self._ack[2], self._flow_of_ack)  # the 2xx again: our ACK was lost
            return
        dialog = self._early.get(tag) or self._dialog_of(response)
        if self._given_up or self.state not in (State.CALLING, State.RINGING):
            self._decline(self.request, dialog, now)
            if self._given_up:
                self._end(now)
            return
        dialog.retarget(response)
        dialog.route_set = response.headers.all("Record-Route")[::-1]
        self._stop_asking()
        self.state, self.dialog = State.CONFIRMED, dialog
        self._core.adopt(dialog, self)
        self.peer_allows = response.headers.get("Allow") or ""
        self._clock.keep(session_timer.granted(response), now)
        if self._invitation.offer:
            self._send_ack(self.request, dialog, b"")
        else:
            self._ours = self.request
        self._core.emit(Answered(self, response.sdp))

    def _decline(self, invite: Request, dialog: Dialog, now: float) -> None:
        """A 2xx that is not used: of another fork, or one that crossed our CANCEL (section 13.2.2.4)."""
        kept = self._ack, self._flow_of_ack
        self._send_ack(invite, dialog, b"")
        self._send_bye(dialog, now)
        if kept[0]:
            self._ack, self._flow_of_ack = kept

    def _refused(self, response: Response, now: float) -> None:
        self._core.timers.cancel((self, "NEXT"))
        if self._given_up:
            self._end(now)
            return
        status = response.status
        if status in (401, 407) and self.login and self.login.take(response, self.request):
            self._ask(self._invite_flow, now)
            return
        if status == 422 and self._session_seconds:
            wanted = session_timer.least(response)
            if wanted > self._session_seconds:
                self._session_seconds = wanted
                self._ask(self._invite_flow, now)
                return
        if status == 503 and self.state is State.CALLING and self._flows:
            self._ask(self._flows.pop(0), now)
            return
        if 300 <= status < 400 and self._redirects and (contact := _preferred(response)):
            self._redirects -= 1
            self.state, self._target = State.CALLING, contact.uri
            self._core.locate(self._target, self._located, self.trunk)
            return
        self._reject(
            now, Cause.REFUSED, status, response.reason, response.headers.get("Reason") or "", response.headers
        )

    def _failed(self, now: float) -> None:
        """No response at all (timer B), or nowhere to send it."""
        if self._given_up:
            self._end(now)
        elif self._flows and self.state is State.CALLING:
            self._ask(self._flows.pop(0), now)
        else:
            self._reject(now, Cause.UNREACHABLE, 408, "nobody answers there")

    def _give_up(self, cause: Cause, status: int, phrase: str, now: float, reason: str = "") -> None:
        """Tell that it is over, then end the INVITE, which may take its time (section 9.1)."""
        if self._given_up:
            return
        self._given_up = True
        self._stop_asking()
        self._core.emit(Rejected(self, cause, status, phrase))
        self._reason = reason
        if self._proceeding:
            self._send_cancel(now)
        elif not self._attempts:  # it has not even left
            self._end(now)

    def _send_cancel(self, now: float) -> None:
        if not self._cancelled:
            self._cancelled = True
            request = client_tx.cancel(self.request)
            if self._reason:
                request.headers.add("Reason", self._reason)
            self._core.request(request, self._invite_flow, self, now)
            self._core.timers.set((self, "NO_487"), now + self._core.timing.transaction_timeout)

    def _reject(
        self, now: float, cause: Cause, status: int, phrase: str, reason: str = "", headers: Headers | None = None
    ) -> None:
        self._end(now)
        self._core.emit(Rejected(self, cause, status, phrase, reason, headers or Headers()))

    def _stop_asking(self) -> None:
        for timer in ("RING", "NEXT"):
            self._core.timers.cancel((self, timer))

    def _may_be_offered(self) -> bool:
        """Also while it rings, where the first offer has its answer (RFC 3311 section 5.2)."""
        early = self.state is State.RINGING and bool(self._rseq)
        return (self.state is State.CONFIRMED or early) and (self._offering is None or self._offering.answered)

    def _expire(self, timer: str, now: float) -> None:
        match timer:
            case "RING":
                self._give_up(Cause.NO_ANSWER, 408, "no answer in time", now, 'SIP;cause=408;text="no answer"')
            case "NEXT" if self._flows:
                self._ask(self._flows.pop(0), now)
            case "NO_487":
                self._end(now)

    def _end(self, now: float, cause: Cause | None = None, reason: str = "") -> None:
        self._stop_asking()
        self._core.timers.cancel((self, "NO_487"))
        super()._end(now, cause, reason)


def _preferred(response: Response) -> NameAddr | None:
    """The Contact with the highest q; what cannot be read is passed over."""
    found: list[tuple[float, NameAddr]] = []
    for value in response.headers.all("Contact"):
        with suppress(SipParseError, ValueError):
            contact = NameAddr.parse(value)
            found.append((float(unquote(contact.params.get("q") or "1")), contact))
    return max(found, key=lambda one: one[0])[1] if found else None
