"""Where users who log in can be reached: REGISTER from the side that takes it (RFC 3261 section 10.3)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import SipParseError
from gateway.sip.flow import Address, Flow
from gateway.sip.message.grammar import parse_int, unquote
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.trunk.settings import Trunk

MIN_EXPIRES = 60
MAX_EXPIRES = 3600
MAX_CONTACTS = 10
"""Of one user; the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One telephone of a user, reached by the way that its REGISTER came, which also passes a NAT."""

    contact: Uri
    flow: Flow
    until: float
    call_id: str
    cseq: int


class Registrar:
    """Kept in memory: telephones register again soon enough after a restart."""

    def __init__(self) -> None:
        self._bindings: dict[str, dict[str, Binding]] = {}  # by user, then by contact
        self._users_at: dict[Address, set[str]] = {}  # who has registered from an address, maybe not any more

    def receive(self, request: Request, flow: Flow, now: float) -> Response:
        """Of an authenticated user: add, refresh, remove or list. Raises SipParseError."""
        user, contacts = request.to.uri.user, request.headers.all("Contact")
        known = self._live(user, now)
        default = parse_int(request.headers.get("Expires") or str(MAX_EXPIRES), "Expires", 2**32)
        if contacts == ["*"]:
            if default:
                raise SipParseError("Contact: * needs Expires: 0")
            known.clear()
            contacts = []
        changes: dict[str, Binding | None] = {}
        for value in contacts:
            contact = NameAddr.parse(value)
            seconds = parse_int(unquote(contact.params.get("expires", str(default))), "expires", 2**32)
            if 0 < seconds < MIN_EXPIRES:
                response = request.respond(423)
                response.headers.add("Min-Expires", MIN_EXPIRES)
                return response
            key, cseq = str(contact.uri), request.cseq.number
            old = known.get(key)
            if old and old.call_id == request.call_id and cseq <= old.cseq:
                return request.respond(500, "an older REGISTER came late")
            until = now + min(seconds, MAX_EXPIRES)
            changes[key] = Binding(contact.uri, flow, until, request.call_id, cseq) if seconds else None
        for key, binding in changes.items():
            known.pop(key, None)
            if binding:
                known[key] = binding
        for key in list(known)[:-MAX_CONTACTS]:
            del known[key]
        self._bindings[user] = known
        if not known:
            del self._bindings[user]
        for binding in known.values():
            self._users_at.setdefault(binding.flow.remote, set()).add(user)
        if len(self._users_at) > 2 * MAX_CONTACTS * (len(self._bindings) + 10):
            self._users_at = {}
            for name in self._bindings:
                for binding in self.find(name, now):
                    self._users_at.setdefault(binding.flow.remote, set()).add(name)
        response = request.respond(200)
        for binding in known.values():
            response.headers.add("Contact", f"<{binding.contact}>;expires={binding.until - now:.0f}")
        return response

    def reaches(self, remote: Address, now: float, user: str = "") -> bool:
        """A telephone that is registered is there; with `user`, one of that user."""
        users = {name for name in self._users_at.get(remote, ()) if user in ("", name)}
        return any(one.flow.remote == remote for name in users for one in self.find(name, now))

    def find(self, user: str, now: float) -> list[Binding]:
        """The latest first."""
        return list(self._live(user, now).values())[::-1]

    def _live(self, user: str, now: float) -> dict[str, Binding]:
        return {key: one for key, one in self._bindings.get(user, {}).items() if one.until > now}

    def __len__(self) -> int:
        """Users with a telephone, or with one that has just gone."""
        return len(self._bindings)


class RegisterHandler:
    """Takes the REGISTERs of users who have logged in."""

    def __init__(self, core: CorePort, registrar: Registrar) -> None:
        self._core, self._registrar = core, registrar

    def receive(self, transaction: ServerTransaction, flow: Flow, trunk: Trunk | None, now: float) -> None:
        request = transaction.request
        if trunk is None or not trunk.users:
            transaction.respond(self._core.not_allowed(request), now)
            return
        response = self._registrar.receive(request, flow, now)
        self._core.finish_response(response)
        transaction.respond(response, now)
