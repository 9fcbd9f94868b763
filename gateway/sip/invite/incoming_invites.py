"""INVITEs that belong to no dialog yet: which of them become calls (RFC 3261 section 13.3, RFC 3891)."""

from __future__ import annotations

from dataclasses import replace

from gateway.outcomes import Refusal
from gateway.sip.dialog import session_timer
from gateway.sip.dialog.session import Session, State
from gateway.sip.flow import Flow
from gateway.sip.invite.uas import Incoming, UasSession, wants_replacement
from gateway.sip.message.message import Request, Response
from gateway.sip.message.uri import Uri
from gateway.sip.port import CorePort
from gateway.sip.transaction.server import ServerTransaction
from gateway.sip.trunk.settings import Trunk


class IncomingInvites:
    """Makes a session of an INVITE that is let in. Limits of 0 calls are none."""

    def __init__(self, core: CorePort, max_calls: int = 0, max_setups: int = 300) -> None:
        self._core = core
        self.max_calls, self.max_setups = max_calls, max_setups
        self.setups = 0  # calls that came in and are not answered yet

    def receive(self, transaction: ServerTransaction, flow: Flow, trunk: Trunk | None, now: float) -> None:
        core, request = self._core, transaction.request
        if trunk is None and core.trunks.trunks:
            names = ", ".join(one.name for one in core.trunks.at(flow.remote[0]))
            core.report(f"INVITE from an address of {names} that fits the match of none: {_described(request)}", flow)
            transaction.respond(core.refusal(request, 403), now)
            return
        replaced, refusal = self._replaced(request, trunk)
        if refusal := refusal or self._unfit(request, trunk) or self._over_limit(request, flow, trunk, now):
            transaction.respond(refusal, now)
            return
        transaction.respond(request.respond(100), now)
        if trunk and trunk.has_tls:  # connections of ours to its other addresses, too
            flow = replace(flow, tls=trunk.name)
        contact, self.setups = self._contact(request, flow, trunk), self.setups + 1
        session = UasSession(core, transaction, flow, core.token(), contact, trunk, self._settled)
        session.replaces = replaced
        core.enter(session)
        core.adopt(session.dialog, session)
        core.expect_cancel(transaction, session)
        core.emit(Incoming(session))

    def _settled(self) -> None:
        self.setups -= 1

    def _unfit(self, request: Request, trunk: Trunk | None) -> Response | None:
        """Why this INVITE cannot become a call."""
        if request.contact is None:
            return request.respond(400, "Contact is missing", to_tag=self._core.token())
        if not request.contact.uri.is_sip:
            return request.respond(400, "Contact is no SIP URI", to_tag=self._core.token())
        return self._unreadable(request) or self._too_short(request, trunk)

    def _over_limit(self, request: Request, flow: Flow, trunk: Trunk | None, now: float) -> Response | None:
        """The last question, for it counts the call."""
        core = self._core
        if 0 < self.max_calls <= core.usages or self.setups >= self.max_setups:
            core.report("INVITE over the limit of the node", flow)
            return core.busy(request, Refusal.NODE_BUSY)
        limit = core.trunks.admit(trunk, now) if trunk else core.trunks.admit_unknown(now)
        if not limit:
            return None
        core.report(f"INVITE over the limits of {f'the trunk {trunk.name}' if trunk else 'callers of no trunk'}", flow)
        return core.busy(request, limit)

    def _replaced(self, request: Request, trunk: Trunk | None) -> tuple[Session | None, Response | None]:
        """The session whose place an INVITE wants to take, or why it cannot (RFC 3891 section 3)."""
        wanted = wants_replacement(request)
        if wanted is None:
            return None, None
        found = self._core.find(wanted[0])
        if not isinstance(found, Session) or found.state is not State.CONFIRMED or not _same(found.trunk, trunk):
            return None, self._core.refusal(request, 481)
        if wanted[1]:  # early-only, and it is not early any more
            return None, self._core.refusal(request, 486)
        return found, None

    def _contact(self, request: Request, flow: Flow, trunk: Trunk | None) -> Uri:
        user = (trunk and trunk.contact_user) or request.uri.user or self._core.contact_user
        contact = self._core.own_contact(flow, trunk, user)
        return replace(contact, scheme="sips") if request.uri.scheme == "sips" else contact

    def _unreadable(self, request: Request) -> Response | None:
        """415 for a body that is none of ours to read (RFC 3261 section 8.2.3, RFC 5621 section 4)."""
        encoding = (request.headers.get("Content-Encoding") or "identity").strip().lower()
        if encoding != "identity":
            return self._core.refusal(request, 415, Accept_Encoding="identity")
        if request.body and (request.unknown_required_part or not request.sdp) and not request.may_be_ignored:
            return self._core.refusal(request, 415, Accept="application/sdp, multipart/mixed, multipart/alternative")
        return None

    def _too_short(self, request: Request, trunk: Trunk | None) -> Response | None:
        """422 where the session interval that is asked for is below the least (RFC 4028 section 6)."""
        if session_timer.is_too_short(request, trunk):
            return self._core.refusal(request, 422, Min_SE=str(session_timer.least_for(trunk)))
        return None


def _described(request: Request) -> str:
    return f"it is for {request.uri}, from {request.from_.uri}"


def _same(one: Trunk | None, other: Trunk | None) -> bool:
    """By name, for a trunk's settings may have been read anew."""
    return (one and one.name) == (other and other.name)
