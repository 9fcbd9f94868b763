"""The user agent core: joins messages, transactions and dialogs (RFC 3261 sections 8, 9, 12.2, 17.1.3, 17.2.3).

It knows those who use it by `gateway.sip.port` alone: who has dialogs, and who takes requests that belong to none.

Sans-I/O: `receive` takes a message's bytes and the flow that they came on; `actions` returns `Send`s for the
transports and events for whoever owns the calls; `deadline` and `expire` run every timer.
"""

from __future__ import annotations

import hashlib
import random
import re
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.errors import SipParseError
from gateway.machine import Timers, tell
from gateway.outcomes import RETRY_AFTER, Refusal
from gateway.sip.bans import Ban
from gateway.sip.dialog.dialog import Dialog
from gateway.sip.flow import Flow
from gateway.sip.message.message import Message, Request, Response, check, parse
from gateway.sip.message.uri import Uri
from gateway.sip.port import DialogUsage, Known, RequestHandler
from gateway.sip.transaction.client import ClientTransaction, ResponseSink
from gateway.sip.transaction.matching import COOKIE, merge_key, note_source, phrase, salvage, server_key
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.transaction.timers import Timing
from gateway.sip.trunk.settings import Trunk
from gateway.sip.trunk.trunks import Trunks


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes to put on the wire. `client` is the client transaction to tell when that fails."""

    data: bytes
    flow: Flow
    client: object = None


@dataclass(frozen=True, slots=True)
class Locate:
    """A URI to find by DNS (RFC 3263). `then` takes the flows, best first, and the time. TLS is that of `trunk`."""

    target: Uri
    then: Callable[[tuple[Flow, ...], float], None]
    trunk: Trunk | None = None


@dataclass(frozen=True, slots=True)
class LookUp:
    """All addresses that serve SIP under a name. `then` takes them, and the time."""

    name: str
    then: Callable[[set[str], float], None]


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that was dropped or answered with an error before any call saw it; for the log and the counters."""

    problem: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class TrunkNotice:
    """Something about a trunk that somebody should look at; told once, when it begins."""

    trunk: str
    problem: str


@dataclass(frozen=True, slots=True)
class Banned:
    """An address, or an account there, is not listened to for a while."""

    ban: Ban


@dataclass(frozen=True, slots=True)
class AcceptConnection:
    """Who is at the other end of this connection has logged in, or has a call."""

    flow: Flow


Action = Send | Locate | LookUp | Refused | TrunkNotice | Banned | AcceptConnection | object
"""The rest are events of those who use the core (`gateway.sip.events`)."""

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE, PRACK, INFO"
SUPPORTED = frozenset({"100rel", "replaces", "timer"})
"""Option tags that a Require may name."""


def supported_for(trunk: Trunk | None) -> frozenset[str]:
    """Option tags that we have for this trunk."""
    return SUPPORTED - {"100rel"} if trunk and trunk.prack == "off" else SUPPORTED


_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:([^\r\n]*)", re.IGNORECASE)


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
        realm: str = "gateway",
        open_to_all: bool = False,
        calls_per_second: float = 0.0,
        ignore_unknown_peers: bool = False,
        retry_after: Mapping[str, int] = RETRY_AFTER,
    ) -> None:
        self.timing = timing or Timing()
        self.timers: Timers[tuple[object, str]] = Timers()
        self._handlers: dict[str, RequestHandler] = {}  # by method
        self._known: list[Known] = []
        self.draining = False
        self._retry_after = retry_after
        self.usages = 0
        self._ignore_unknown_peers = ignore_unknown_peers
        self.trunks = Trunks(trunks, realm, open_to_all, calls_per_second)
        self._user_agent = user_agent
        self.contact_user = contact_user
        self.token, self.chance = token, chance
        self._actions: list[Action] = []
        self._servers: dict[tuple[str, ...], ServerTransaction] = {}
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._cancellable: dict[tuple[str, ...], DialogUsage] = {}  # by the key of the request's transaction
        self._dialogs: dict[tuple[str, str, str], tuple[DialogUsage, Dialog]] = {}
        self._call_ids: Counter[str] = Counter()  # of dialogs
        self._first_seen: dict[tuple[str, str, str], tuple[str, ...]] = {}  # merged requests (section 8.2.2.2)
        self._ambiguous: set[tuple[str, ...]] = set()  # trunks that claimed one INVITE, and were told of

    # machine

    def deadline(self) -> float | None:
        return self.timers.deadline()

    def expire(self, now: float) -> None:
        faults: list[Exception] = []
        for owner, name in self.timers.due(now):
            try:
                owner.expire(name, now)  # type: ignore[attr-defined]
            except Exception as fault:  # of one call; the timers of others are due all the same
                faults.append(fault)
        tell(faults)

    def actions(self) -> list[Action]:
        taken, self._actions = self._actions, []
        return taken

    # inputs

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """One message. What cannot be read is answered where that is possible, and is reported once."""
        host, bans = flow.remote[0], self.trunks.bans
        known = self.trunks.knows(host)
        shut = not known and bans.banned(host, now)
        if shut and not self._may_belong(data, flow, now):
            bans.dropped += 1
            return
        try:
            message = parse(data)
            check(message)
        except SipParseError as error:
            if not known and (flow.reliable or not self.trunks.guard):  # else the address need not be the sender's
                bans.strike(host, now, "not SIP")
            if not shut:
                self._refuse_garbage(data, error, flow)
            return
        finally:
            self._tell_bans()
        try:
            if isinstance(message, Response):
                self._receive_response(message, now)
            else:
                self._receive_request(message, flow, now, shut)
        except SipParseError as error:
            self._refuse_garbage(data, error, flow)
        finally:
            self._tell_bans()

    def _may_belong(self, data: bytes, flow: Flow, now: float) -> bool:
        """Whether something from an address that is shut out can be of a call, a registration or a telephone here."""
        if data.startswith(b"SIP/2.0") or self._knows(flow, now):
            return True
        found = _CALL_ID.search(data)
        return found is not None and found[1].strip().decode("utf-8", "replace") in self._call_ids

    def _tell_bans(self) -> None:
        if self.trunks.bans.news:
            self._actions += [Banned(one) for one in self.trunks.bans.news]
            self.trunks.bans.news = []

    def handle(self, method: str, handler: RequestHandler) -> None:
        """Requests of this method that belong to no dialog are for `handler`."""
        self._handlers[method] = handler

    def trust(self, known: Known) -> None:
        """Who is known to be there may send, whatever else is shut out."""
        self._known.append(known)

    def _knows(self, flow: Flow, now: float, user: str = "") -> bool:
        return any(known(flow.remote, now, user) for known in self._known)

    def transport_failed(self, client: object, now: float) -> None:
        if isinstance(client, ClientTransaction):
            client.transport_failed(now)

    # for transactions and sessions

    def send(self, data: bytes, flow: Flow, client: object = None) -> None:
        self._actions.append(Send(data, flow, client))

    def emit(self, event: object) -> None:
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
            self._cancellable.pop(transaction.key, None)

    def introduce(self, message: Message, trunk: Trunk | None = None) -> None:
        """What an INVITE and its 2xx say of what we can do (section 13.2.1); REFER only where we would follow it."""
        message.headers.add("Allow", f"{ALLOW}, REFER" if trunk and trunk.follow_refer else ALLOW)
        message.headers.add("Supported", ", ".join(sorted(supported_for(trunk))))

    def notice(self, trunk: Trunk, about: str, problem: str) -> None:
        """What is wrong with a trunk, and again nothing: told when it changes."""
        known = self.trunks.problems.get((trunk.name, about), "")
        if problem:
            self.trunks.problems[trunk.name, about] = problem
        else:
            self.trunks.problems.pop((trunk.name, about), None)
        if problem and problem != known:
            self._actions.append(TrunkNotice(trunk.name, problem))

    def report(self, problem: str, flow: Flow) -> None:
        """Something was refused that no call will tell of."""
        self._actions.append(Refused(problem, flow))

    def find(self, dialog: tuple[str, str, str]) -> DialogUsage | None:
        """Who has this dialog."""
        known = self._dialogs.get(dialog)
        return known[0] if known else None

    def enter(self, usage: DialogUsage) -> None:
        self.usages += 1

    def expect_cancel(self, transaction: ServerTransaction, usage: DialogUsage) -> None:
        self._cancellable[transaction.key] = usage

    def locate(self, target: Uri, then: Callable[[tuple[Flow, ...], float], None], trunk: Trunk | None = None) -> None:
        """Have `then` called with the ways to `target`, in the order in which to try them; none if it is nowhere."""
        self._actions.append(Locate(target, then, trunk))

    def look_up(self, name: str, then: Callable[[set[str], float], None]) -> None:
        """Have `then` called with all addresses that serve SIP under `name`; none if there is no such name."""
        self._actions.append(LookUp(name, then))

    def adopt(self, dialog: Dialog, usage: DialogUsage) -> None:
        """Requests within `dialog` belong to `usage` from now on."""
        if dialog.id not in self._dialogs:
            self._call_ids[dialog.call_id] += 1
        self._dialogs[dialog.id] = usage, dialog

    def leave(self, usage: DialogUsage) -> None:
        """Called once, at its end."""
        self.usages -= 1
        for dialog in usage.dialogs():
            if self._dialogs.pop(dialog.id, None):
                self._call_ids[dialog.call_id] -= 1
                if not self._call_ids[dialog.call_id]:
                    del self._call_ids[dialog.call_id]
        if usage.trunk:
            self.trunks.release(usage.trunk)

    def finish_response(self, response: Response) -> None:
        response.headers.add("Server", self._user_agent)

    def live_usages(self) -> set[DialogUsage]:
        """All that requests could still be for."""
        return {usage for usage, _ in self._dialogs.values()}

    def __len__(self) -> int:
        """Live transactions and dialogs: back to 0 when nothing is going on."""
        return len(self._servers) + len(self._clients) + len(self._dialogs)

    # requests

    def _receive_request(self, request: Request, flow: Flow, now: float, shut: bool = False) -> None:
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
        user_of: Trunk | None = None
        stranger = not self.trunks.knows(flow.remote[0]) and not self._belongs(request, key)
        if stranger and shut and not self._knows(flow, now):
            self.trunks.bans.dropped += 1
            return
        if stranger or (request.method == "REGISTER" and self.trunks.guard):
            user_of = self._log_in(request, flow, back, now)
            if user_of is None:
                return
        if flow.connection and (user_of or not stranger):
            self._actions.append(AcceptConnection(flow))
        if request.to.tag == "" and self._first_seen.get(merge_key(request), key) != key:
            self._respond_statelessly(request, back, 482)
            return
        transaction = ServerTransaction(self, request, back, key)
        self._servers[key] = transaction
        try:
            if request.method == "CANCEL":
                self._receive_cancel(transaction, now)
            elif request.to.tag:
                self._receive_in_dialog(transaction, flow, now)
            else:
                self._first_seen[merge_key(request)] = key
                self._receive_first(transaction, flow, user_of or self._claimed(request, flow), now)
        except SipParseError as error:  # in a header that only this request needs; its transaction has to end
            self.report(str(error), flow)
            response = request.respond(error.status, phrase(error), to_tag=self.token())
            self.finish_response(response)
            transaction.respond(response, now)

    def _log_in(self, request: Request, flow: Flow, back: Flow, now: float) -> Trunk | None:
        """The trunk whose user an unknown peer logs in as; None when it was refused or challenged: no state is kept."""
        guard = self.trunks.guard
        if guard is None:
            self._refuse_stranger(request, flow, back, now)
            return None
        host, bans = flow.remote[0], self.trunks.bans
        found = guard.verify(request, now, host)
        if bans.banned(host, now, found.claimed) and not self._knows(flow, now, found.claimed):
            bans.dropped += 1  # also with the right password: who guesses shall not learn of it
            return None
        if found.user and (request.method != "REGISTER" or found.user == request.to.uri.user):
            bans.logged_in(host, found.user)
            return self.trunks.trunk_of(found.user)
        if found.answers and found.claimed and not found.user and not found.stale:
            bans.wrong_password(host, found.claimed, now)
        elif found.user or (found.answers and not found.stale):
            bans.strike(host, now, "another's name" if found.user else "no such user")
        elif not found.stale and not bans.may_challenge(host, now):
            return None
        if found.user or request.to.tag or request.method == "CANCEL":  # another's name, or of no call that is known
            self._respond_statelessly(request, back, 403 if found.user else 481)
        else:
            status = 401 if request.method == "REGISTER" else 407
            stale = found.stale
            self._respond_statelessly(request, back, status, amend=lambda one: guard.challenge(one, now, host, stale))
        return None

    def _refuse_stranger(self, request: Request, flow: Flow, back: Flow, now: float) -> None:
        self.trunks.bans.strike(flow.remote[0], now, f"{request.method} from an address of no trunk")
        self._actions.append(Refused(f"{request.method} from an address of no trunk", flow))
        if not self._ignore_unknown_peers:
            self._respond_statelessly(request, back, 403)  # a flood of them leaves nothing behind

    def _belongs(self, request: Request, key: tuple[str, ...]) -> bool:
        """Whether it is part of a call that was let in; it may come from another address than the INVITE."""
        dialog = (request.call_id, request.to.tag, request.from_.tag)
        return dialog in self._dialogs or (request.method == "CANCEL" and ("INVITE", *key[1:]) in self._cancellable)

    def _receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        request = transaction.request
        session = self._cancellable.get(("INVITE", *transaction.key[1:]))
        transaction.respond(request.respond(200 if session else 481, to_tag=self.token()), now)
        if session:
            session.receive_cancel(now)

    def _claimed(self, request: Request, flow: Flow) -> Trunk | None:
        """Whose it is, of the trunks at that address; of several that claim it the first, which is told once."""
        claims = self.trunks.claimed_by(flow.remote[0], request)
        names = tuple(one.name for one in claims)
        if len(claims) > 1 and request.method == "INVITE" and names not in self._ambiguous:
            self._ambiguous.add(names)
            problem = (
                f"an INVITE from {flow.remote[0]} is for {' and '.join(names)} alike: set match to tell them apart"
            )
            self._actions.append(TrunkNotice(names[0], problem))
        return claims[0] if claims else None

    def _receive_first(self, transaction: ServerTransaction, flow: Flow, trunk: Trunk | None, now: float) -> None:
        """A request that belongs to no dialog (sections 8.2, 11)."""
        request = transaction.request
        handler = self._handlers.get(request.method)
        if handler is None and request.method not in ALLOW.split(", ") and request.method != "SUBSCRIBE":
            response = self.not_allowed(request)
        elif request.uri.scheme not in ("sip", "sips", "tel"):
            response = self.refusal(request, 416)
        elif unsupported := self._unsupported(request, trunk):
            response = unsupported
        elif handler:
            handler.receive(transaction, flow, trunk, now)
            return
        elif request.method == "OPTIONS":
            response = self.options(request)
        elif request.method == "SUBSCRIBE":
            response = self.refusal(request, 489, Allow_Events="refer")
        else:
            response = self.refusal(request, 481)
        transaction.respond(response, now)

    def _receive_in_dialog(self, transaction: ServerTransaction, flow: Flow, now: float) -> None:
        request = transaction.request
        known = self._dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        if known is None:
            transaction.respond(request.respond(481), now)
        elif unsupported := self._unsupported(request):
            transaction.respond(unsupported, now)
        elif not known[1].follows(request):
            transaction.respond(request.respond(500), now)  # out of order (section 12.2.2)
        else:
            known[1].moved_to(flow)
            self._note_move(known[0], known[1], flow)
            known[0].receive(transaction, now)

    def _note_move(self, usage: DialogUsage, dialog: Dialog, flow: Flow) -> None:
        """A request within a call that comes from elsewhere than its trunk's addresses: it is served, and told once."""
        trunk, host = usage.trunk, flow.remote[0]
        if trunk is None or dialog.moved or trunk.users or host == dialog.flow.remote[0]:
            return
        if trunk.name not in {one.name for one in self.trunks.at(host)}:
            dialog.moved = True
            was = dialog.flow.remote[0]
            problem = f"the call {dialog.call_id} goes on from {host}, which is no address of the trunk; it was {was}"
            self._actions.append(TrunkNotice(trunk.name, problem))

    def _unsupported(self, request: Request, trunk: Trunk | None = None) -> Response | None:
        """420 for extensions that it requires and we have not."""
        tags = [tag for tag in request.headers.all("Require") if tag.lower() not in supported_for(trunk)]
        if not tags or request.method in ("CANCEL", "ACK"):
            return None
        return self.refusal(request, 420, Unsupported=", ".join(tags))

    def own_contact(self, flow: Flow, trunk: Trunk | None = None, user: str | None = None) -> Uri:
        """Our Contact for the peer at the other end of `flow`."""
        params = {} if flow.transport == "udp" else {"transport": flow.transport}
        if user is None:
            registered = trunk.user if trunk and trunk.register_seconds else ""
            user = (trunk and trunk.contact_user) or registered or self.contact_user
        return Uri("sip", user, (trunk and trunk.contact_host) or flow.local[0], flow.local[1], params)

    # responses and refusals

    def refusal(self, request: Request, status: int, **headers: str) -> Response:
        """`Retry_After="5"` becomes a header."""
        response = request.respond(status, to_tag=self.token())
        for name, value in headers.items():
            response.headers.add(name.replace("_", "-"), value)
        self.finish_response(response)
        return response

    def not_allowed(self, request: Request) -> Response:
        return self.refusal(request, 405, Allow=ALLOW)

    def busy(self, request: Request, why: Refusal) -> Response:
        """503, with Retry-After where the settings have one for it."""
        return self._again_later(self.refusal(request, 503), why)

    def _again_later(self, response: Response, why: Refusal) -> Response:
        if seconds := self._retry_after.get(why):
            response.headers.add("Retry-After", seconds)
        return response

    def options(self, request: Request) -> Response:
        """What a health check of a proxy or SBC asks for (section 11.2); 503 while draining."""
        response = request.respond(503 if self.draining else 200, to_tag=self.token())
        response.headers.add("Allow", ALLOW)
        response.headers.add("Accept", "application/sdp")
        response.headers.add("Supported", ", ".join(sorted(SUPPORTED)))
        if self.draining:
            self._again_later(response, Refusal.DRAINING)
        self.finish_response(response)
        return response

    def _receive_response(self, response: Response, now: float) -> None:
        if transaction := self._clients.get((response.via.branch, response.cseq.method)):
            transaction.receive(response, now)

    def _respond_statelessly(
        self,
        request: Request,
        flow: Flow,
        status: int,
        reason: str = "",
        amend: Callable[[Response], None] = lambda response: None,
    ) -> None:
        tag = hashlib.sha256(f"{request.call_id}{request.via.branch}".encode()).hexdigest()[:12]
        response = request.respond(status, reason, to_tag=tag)
        amend(response)
        self.finish_response(response)
        self.send(response.serialize(), flow)

    def _refuse_garbage(self, data: bytes, error: SipParseError, flow: Flow) -> None:
        """Answer a malformed request where enough of it can be read to route a response; never an ACK or a response."""
        self._actions.append(Refused(str(error), flow))
        try:
            message = salvage(data)
            if isinstance(message, Response) or message.method == "ACK":
                return
            _ = [message.need(name) for name in ("From", "To", "Call-ID", "CSeq")]
            self._respond_statelessly(message, note_source(message, flow), error.status, phrase(error))
        except SipParseError:
            return
