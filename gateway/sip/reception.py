"""What becomes of a request that belongs to no dialog yet (RFC 3261 sections 8.2, 11, 13.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.outcomes import Refusal
from gateway.sip.dialog import session_timer
from gateway.sip.dialog.session import Session, State
from gateway.sip.flow import Flow
from gateway.sip.invite.uas import UasSession, wants_replacement
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.register.registrar import Registrar
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.trunks import Trunk

if TYPE_CHECKING:
    from gateway.sip.core import Core

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, UPDATE, PRACK, INFO"
KNOWN_METHODS = frozenset(ALLOW.split(", ")) | {"SUBSCRIBE", "REGISTER"}
SUPPORTED = frozenset({"100rel", "replaces", "timer"})
"""Option tags that a Require may name."""


class Reception:
    """Answers what can be answered at once, and makes a session of an INVITE that is let in."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.registrar = Registrar()

    def receive(self, transaction: ServerTransaction, flow: Flow, trunk: Trunk | None, now: float) -> None:
        """`trunk` is whose peer or user sent it; None where everybody may call."""
        request = transaction.request
        if request.method not in KNOWN_METHODS or (request.method == "REGISTER" and not (trunk and trunk.users)):
            response = self.not_allowed(request)
        elif request.uri.scheme not in ("sip", "sips", "tel"):
            response = self._refusal(request, 416)
        elif unsupported := self.unsupported(request):
            response = unsupported
        elif request.method == "OPTIONS":
            response = self.options(request)
        elif request.method == "REGISTER":
            response = self.registrar.receive(request, flow, now)
            self._core.finish_response(response)
        elif request.method == "SUBSCRIBE":
            response = self._refusal(request, 489, Allow_Events="refer")
        elif request.method != "INVITE":
            response = self._refusal(request, 481)
        else:
            replaced, refusal = self._replaced(request, trunk)  # raises SipParseError
            if refusal := refusal or self._unfit(request) or self._over_limit(request, flow, trunk, now):
                transaction.respond(refusal, now)
                return
            transaction.respond(request.respond(100), now)
            contact = self._contact(request, flow)
            session = UasSession(self._core, transaction, flow, self._core.token(), contact, trunk)
            session.replaces = replaced
            self._core.begin(session, transaction)
            return
        transaction.respond(response, now)

    def _unfit(self, request: Request) -> Response | None:
        """Why this INVITE cannot become a call."""
        if request.contact is None:
            return request.respond(400, "Contact is missing", to_tag=self._core.token())
        if not request.contact.uri.is_sip:
            return request.respond(400, "Contact is no SIP URI", to_tag=self._core.token())
        return self.unreadable(request) or self.too_short(request)

    def _over_limit(self, request: Request, flow: Flow, trunk: Trunk | None, now: float) -> Response | None:
        """The last question, for it counts the call."""
        core = self._core
        if 0 < core.max_calls <= core.sessions or core.setups >= core.max_setups:
            core.report("INVITE over the limit of the node", flow)
            return self._busy(request, Refusal.NODE_BUSY)
        limit = core.trunks.admit(trunk, now) if trunk else core.trunks.admit_unknown(now)
        if not limit:
            return None
        core.report(f"INVITE over the limits of {f'the trunk {trunk.name}' if trunk else 'callers of no trunk'}", flow)
        return self._busy(request, limit)

    def _busy(self, request: Request, why: Refusal) -> Response:
        return self._again_later(self._refusal(request, 503), why)

    def _again_later(self, response: Response, why: Refusal) -> Response:
        if seconds := self._core.retry_after.get(why):
            response.headers.add("Retry-After", seconds)
        return response

    def _replaced(self, request: Request, trunk: Trunk | None) -> tuple[Session | None, Response | None]:
        """The session whose place an INVITE wants to take, or why it cannot (RFC 3891 section 3)."""
        wanted = wants_replacement(request)
        if wanted is None:
            return None, None
        found = self._core.find(wanted[0])
        if found is None or found.state is not State.CONFIRMED or not _same(found.trunk, trunk):
            return None, self._refusal(request, 481)
        if wanted[1]:  # early-only, and it is not early any more
            return None, self._refusal(request, 486)
        return found, None

    def _contact(self, request: Request, flow: Flow) -> Uri:
        params = {} if flow.transport == "udp" else {"transport": flow.transport}
        scheme = "sips" if request.uri.scheme == "sips" else "sip"
        return Uri(scheme, request.uri.user or self._core.contact_user, flow.local[0], flow.local[1], params)

    # also for requests within a dialog

    def not_allowed(self, request: Request) -> Response:
        return self._refusal(request, 405, Allow=ALLOW)

    def unsupported(self, request: Request) -> Response | None:
        tags = [tag for tag in request.headers.all("Require") if tag.lower() not in SUPPORTED]
        if not tags or request.method in ("CANCEL", "ACK"):
            return None
        return self._refusal(request, 420, Unsupported=", ".join(tags))

    def unreadable(self, request: Request) -> Response | None:
        """415 for a body that is none of ours to read (RFC 3261 section 8.2.3, RFC 5621 section 4)."""
        encoding = (request.headers.get("Content-Encoding") or "identity").strip().lower()
        if encoding != "identity":
            return self._refusal(request, 415, Accept_Encoding="identity")
        if request.body and (request.unknown_required_part or not request.sdp) and not request.may_be_ignored:
            return self._refusal(request, 415, Accept="application/sdp, multipart/mixed, multipart/alternative")
        return None

    def too_short(self, request: Request) -> Response | None:
        """422 where the session interval that is asked for is below the least (RFC 4028 section 6)."""
        try:
            session_timer.requested(request)
        except session_timer.TooShort:
            return self._refusal(request, 422, Min_SE=str(session_timer.MIN_SE))
        return None

    def options(self, request: Request) -> Response:
        """What a health check of a proxy or SBC asks for (section 11.2); 503 while draining."""
        response = request.respond(503 if self._core.draining else 200, to_tag=self._core.token())
        response.headers.add("Allow", ALLOW)
        response.headers.add("Accept", "application/sdp")
        response.headers.add("Supported", ", ".join(sorted(SUPPORTED)))
        if self._core.draining:
            self._again_later(response, Refusal.DRAINING)
        self._core.finish_response(response)
        return response

    def _refusal(self, request: Request, status: int, **headers: str) -> Response:
        """`Retry_After="5"` becomes a header."""
        response = request.respond(status, to_tag=self._core.token())
        for name, value in headers.items():
            response.headers.add(name.replace("_", "-"), value)
        self._core.finish_response(response)
        return response


def _same(one: Trunk | None, other: Trunk | None) -> bool:
    """By name, for a trunk's settings may have been read anew."""
    return (one and one.name) == (other and other.name)
