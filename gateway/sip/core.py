"""The user agent core: joins messages, transactions and dialogs (RFC 3261 sections 8, 9, 12.2, 17.1.3, 17.2.3).

Sans-I/O: `receive` takes a message's bytes and the flow that they came on; `actions` returns `Send`s for the
transports and the events of `invite` for whoever owns the calls; `deadline` and `expire` run every timer.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import SipParseError, TrunkBusy
from gateway.machine import Timers
from gateway.sip import session_timer
from gateway.sip.callee import Callee, wants_replacement
from gateway.sip.caller import Caller, Invitation
from gateway.sip.client_tx import ClientTransaction, ResponseSink
from gateway.sip.dialog import Dialog
from gateway.sip.events import Event, Incoming
from gateway.sip.flow import Flow
from gateway.sip.matching import COOKIE, merge_key, note_source, phrase, repair_start_line, server_key
from gateway.sip.message import Request, Response, check, parse, parse_head
from gateway.sip.server_tx import ServerTransaction
from gateway.sip.session import Session, State
from gateway.sip.timers import Timing
from gateway.sip.trunks import Trunk, Trunks
from gateway.sip.uri import Uri

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE, PRACK, INFO"
KNOWN_METHODS = frozenset(ALLOW.split(", "))
SUPPORTED = frozenset({"100rel", "replaces", "timer"})
"""Option tags that a Require may name."""


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to put on the wire. `client` is the client transaction to tell when that fails."""

    data: bytes
    flow: Flow
    client: object = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was dropped or answered with an error before any call saw it; for the log and the counters."""

    problem: str
    flow: Flow


class Core:
    """One node's SIP. `token` makes tags and branches, `chance` a number from 0 to 1; a test passes its own."""

    def __init__(
        self,
        *,
        user_agent: str,
        contact_user: str = "gateway",
        timing: Timing | None = None,
        token: Callable[[], str] = lambda: secrets.token_hex(8),
        chance: Callable[[], float] = random.random,
        trunks: tuple[Trunk, ...] = (),
    ) -> None:
        self.timing = timing or Timing()
        self.timers: Timers[tuple[object, str]] = Timers()
        self.allow = ALLOW
        self.supported = ", ".join(sorted(SUPPORTED))
        self.draining = False
        self.trunks = Trunks(trunks)
        self._user_agent = user_agent
        self._contact_user = contact_user
        self.token, self.chance = token, chance
        self._actions: list[Send | Event | Refused] = []
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._invites: dict[tuple[str, ...], Callee] = {}  # by the key of the INVITE's transaction
        self._dialogs: dict[tuple[str, str, str], tuple[Session, Dialog]] = {}
        self._first_seen: dict[tuple[str, str, str], tuple[str, ...]] = {}  # merged requests (section 8.2.2.2)

    # machine

    def deadline(self) -> float | None:
        return self.timers.deadline()

    def expire(self, now: float) -> None:
        for owner, name in self.timers.due(now):
            owner.expire(name, now)  # type: ignore[attr-defined]

    def actions(self) -> list[Send | Event | Refused]:
        taken, self._actions = self._actions, []
        return taken

    # inputs

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """One message. What cannot be read is answered where that is possible, and is reported once."""
        if self.trunks.banned(flow.remote[0], now):
            return
        try:
            message = parse(data)
            check(message)
        except SipParseError as error:
            if not self.trunks.knows(flow.remote[0]):
                self.trunks.strike(flow.remote[0], now)
            self._refuse_garbage(data, error, flow)
            return
        try:
            if isinstance(message, Response):
                self._receive_response(message, now)
            else:
                self._receive_request(message, flow, now)
        except SipParseError as error:
            self._refuse_garbage(data, error, flow)

    def invite(self, invitation: Invitation, now: float) -> Caller:
        """Call somebody. Raises TrunkBusy."""
        if invitation.trunk and self.trunks.admit(invitation.trunk, now):
            raise TrunkBusy(invitation.trunk.name)
        return Caller(self, invitation, self.token(), self.token(), self.own_contact, now)

    def transport_failed(self, client: object, now: float) -> None:
        if isinstance(client, ClientTransaction):
            client.transport_failed(now)

    # for transactions and sessions

    def send(self, data: bytes, flow: Flow, client: object = None) -> None:
        self._actions.append(Send(data, flow, client))

    def emit(self, event: Event) -> None:
        self._actions.append(event)

    def branch(self) -> str:
        return COOKIE + self.token()

    def request(self, request: Request, flow: Flow, sink: ResponseSink, now: float) -> None:
        """Send a request of ours in a client transaction; `sink` gets its responses."""
        request.headers.set("User-Agent", self._user_agent)
        transaction = ClientTransaction(self, request, flow, sink, now)
        self._clients[transaction.key] = transaction

    def forget(self, transaction: object) -> None:
        if isinstance(transaction, ClientTransaction):
            self._clients.pop(transaction.key, None)
        elif isinstance(transaction, ServerTransaction):
            self._servers.pop(transaction.key, None)
            self._first_seen.pop(merge_key(transaction.request), None)
            self._invites.pop(transaction.key, None)

    def introduce(self, request: Request) -> None:
        """What an INVITE says of what we can do (section 13.2.1)."""
        request.headers.add("Allow", self.allow)
        request.headers.add("Supported", self.supported)

    def adopt(self, dialog: Dialog, session: Session) -> None:
        """Requests within `dialog` belong to `session` from now on."""
        self._dialogs[dialog.id] = session, dialog

    def forget_session(self, session: Session) -> None:
        """Called once, at its end."""
        for dialog in session.dialogs():
            self._dialogs.pop(dialog.id, None)
        if session.trunk:
            self.trunks.release(session.trunk)

    def finish_response(self, response: Response) -> None:
        response.headers.add("Server", self._user_agent)

    def not_allowed(self, request: Request) -> Response:
        response = request.respond(405, to_tag=self.token())
        response.headers.add("Allow", self.allow)
        self.finish_response(response)
        return response

    def too_short(self, request: Request) -> Response | None:
        """422 where the session interval that is asked for is below the least (RFC 4028 section 6)."""
        try:
            session_timer.requested(request)
        except session_timer.TooShort:
            response = request.respond(422, to_tag=self.token())
            response.headers.add("Min-SE", session_timer.MIN_SE)
            self.finish_response(response)
            return response
        return None

    def options(self, request: Request) -> Response:
        """What a health check of a proxy or SBC asks for (section 11.2); 503 while draining."""
        response = request.respond(503 if self.draining else 200, to_tag=self.token())
        response.headers.add("Allow", self.allow)
        response.headers.add("Accept", "application/sdp")
        response.headers.add("Supported", self.supported)
        if self.draining:
            response.headers.add("Retry-After", 30)
        self.finish_response(response)
        return response

    def __len__(self) -> int:
        """Live transactions and dialogs: back to 0 when nothing is going on."""
        return len(self._servers) + len(self._clients) + len(self._dialogs)

    # requests

    def _receive_request(self, request: Request, flow: Flow, now: float) -> None:
        back = note_source(request, flow)
        key = server_key(request)
        transaction = self._servers.get(key)
        if request.method == "ACK":
            known = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
            if transaction:  # to a refusal; an accepted INVITE leaves its ACKs to the session
                transaction.receive(request, now)
            if known:
                known[0].receive_ack(request, now)
            return
        if transaction:
            transaction.receive(request, now)
            return
        if not self.trunks.knows(flow.remote[0]) and not self._belongs(request, key):
            self.trunks.strike(flow.remote[0], now)
            self._actions.append(Refused(f"{request.method} from an address of no trunk", flow))
            self._respond_statelessly(request, back, 403)  # a flood of them leaves nothing behind
            return
        if request.to.tag == "" and self._first_seen.get(merge_key(request), key) != key:
            self._respond_statelessly(request, back, 482)
            return
        transaction = ServerTransaction(self, request, back, key)
        self._servers[key] = transaction
        if request.method == "CANCEL":
            self._receive_cancel(transaction, now)
        elif request.to.tag:
            self._receive_in_dialog(transaction, now)
        else:
            self._first_seen[merge_key(request)] = key
            self._receive_out_of_dialog(transaction, flow, now)

    def _belongs(self, request: Request, key: tuple[str, ...]) -> bool:
        """Whether it is part of a call that was let in: a proxy may hand that on to whoever is behind it."""
        dialog = (request.call_id, request.to.tag, request.from_.tag)
        return dialog in self._dialogs or (request.method == "CANCEL" and ("INVITE", *key[1:]) in self._invites)

    def _receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        session = self._invites.get(("INVITE", *transaction.key[1:]))
        transaction.respond(request.respond(200 if session else 481, to_tag=self.token()), now)
        if session:
            session.receive_cancel(now)

    def _receive_in_dialog(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        known = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        if known is None:
            transaction.respond(request.respond(481), now)
        elif unsupported := self._unsupported(request):
            transaction.respond(unsupported, now)
        elif not known[1].follows(request):
            transaction.respond(request.respond(500), now)  # out of order (section 12.2.2)
        else:
            known[0].receive(transaction, now)

    def _receive_out_of_dialog(self, transaction: ServerTransaction, flow: Flow, now: float) -> None:
        request = transaction.request
        if request.method not in KNOWN_METHODS | {"SUBSCRIBE"}:
            transaction.respond(self.not_allowed(request), now)
        elif request.uri.scheme not in ("sip", "sips", "tel"):
            transaction.respond(request.respond(416, to_tag=self.token()), now)
        elif unsupported := self._unsupported(request):
            transaction.respond(unsupported, now)
        elif request.method == "OPTIONS":
            transaction.respond(self.options(request), now)
        elif request.method == "INVITE":
            self._receive_invite(transaction, flow, now)
        elif request.method == "SUBSCRIBE":
            response = request.respond(489, to_tag=self.token())
            response.headers.add("Allow-Events", "refer")
            transaction.respond(response, now)
        else:
            transaction.respond(request.respond(481, to_tag=self.token()), now)

    def _receive_invite(self, transaction: ServerTransaction, flow: Flow, now: float) -> None:
        request = transaction.request
        if request.contact is None:
            transaction.respond(request.respond(400, "Contact is missing", to_tag=self.token()), now)
            return
        if request.body and not (request.sdp or request.content_type.startswith("multipart/")):
            response = request.respond(415, to_tag=self.token())
            response.headers.add("Accept", "application/sdp")
            transaction.respond(response, now)
            return
        if refusal := self.too_short(request):
            transaction.respond(refusal, now)
            return
        replaced, refusal = self._replaced(request)
        if refusal:
            transaction.respond(refusal, now)
            return
        trunk = self.trunks.find(flow.remote[0])
        if trunk and (limit := self.trunks.admit(trunk, now)):
            response = request.respond(limit.status, to_tag=self.token())
            response.headers.add("Retry-After", limit.retry_after)
            transaction.respond(response, now)
            self._actions.append(Refused(f"INVITE over the limits of the trunk {trunk.name}", flow))
            return
        transaction.respond(request.respond(100), now)
        session = Callee(self, transaction, flow, self.token(), self._contact(request, flow), trunk)
        session.replaces = replaced
        self.adopt(session.dialog, session)
        self._invites[transaction.key] = session
        self.emit(Incoming(session))

    def _replaced(self, request: Request) -> tuple[Session | None, Response | None]:
        """The session whose place an INVITE wants to take, or why it cannot (RFC 3891 section 3)."""
        wanted = wants_replacement(request)
        if wanted is None:
            return None, None
        known = self._dialogs.get(wanted[0])
        if known is None or known[0].state is not State.CONFIRMED:
            return None, request.respond(481, to_tag=self.token())
        if wanted[1]:  # early-only, and it is not early any more
            return None, request.respond(486, to_tag=self.token())
        return known[0], None

    def _contact(self, request: Request, flow: Flow) -> Uri:
        params = {} if flow.transport == "udp" else {"transport": flow.transport}
        scheme = "sips" if request.uri.scheme == "sips" else "sip"
        return Uri(scheme, request.uri.user or self._contact_user, flow.local[0], flow.local[1], params)

    def own_contact(self, flow: Flow) -> Uri:
        """Where we are reached by whoever is at the other end of `flow`."""
        params = {} if flow.transport == "udp" else {"transport": flow.transport}
        return Uri("sip", self._contact_user, flow.local[0], flow.local[1], params)

    def _unsupported(self, request: Request) -> Response | None:
        tags = [tag for tag in request.headers.all("Require") if tag.lower() not in SUPPORTED]
        if not tags or request.method in ("CANCEL", "ACK"):
            return None
        response = request.respond(420, to_tag=self.token())
        response.headers.add("Unsupported", ", ".join(tags))
        self.finish_response(response)
        return response

    # responses and refusals

    def _receive_response(self, response: Response, now: float) -> None:
        if transaction := self._clients.get((response.via.branch, response.cseq.method)):
            transaction.receive(response, now)

    def _respond_statelessly(self, request: Request, flow: Flow, status: int, reason: str = "") -> None:
        tag = hashlib.sha256(f"{request.call_id}{request.via.branch}".encode()).hexdigest()[:12]
        response = request.respond(status, reason, to_tag=tag)
        self.finish_response(response)
        self.send(response.serialize(), flow)

    def _refuse_garbage(self, data: bytes, error: SipParseError, flow: Flow) -> None:
        """Answer a malformed request where enough of it can be read to route a response; never an ACK or a response."""
        self._actions.append(Refused(str(error), flow))
        try:
            message = parse_head(repair_start_line(data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]))
            if isinstance(message, Response) or message.method == "ACK":
                return
            _ = [message.need(name) for name in ("From", "To", "Call-ID", "CSeq")]
            self._respond_statelessly(message, note_source(message, flow), error.status, phrase(error))
        except SipParseError:
            return
