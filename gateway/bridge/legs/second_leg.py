"""One more telephone of a call, which we call: the target of a transfer, or of a REFER of the peer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import structlog

from gateway import events
from gateway.bridge.call.actions import DialSecondLeg, SecondLegEvents
from gateway.bridge.call.call import Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call.leg import LegEvents
from gateway.bridge.legs.sip_leg import SipLeg
from gateway.bridge.reasons import another_trunk_may_help, reason_of
from gateway.errors import GatewayError, TrunkBusy
from gateway.sip import (
    Answered,
    Digit,
    Ended,
    Event,
    OutgoingInvite,
    Progress,
    Reanswered,
    Referred,
    Rejected,
    Reoffered,
    ReofferRefused,
    Session,
    Trunk,
)

log = structlog.get_logger("gateway.calls")


T = TypeVar("T")


class Owner(Protocol):
    """Whose second leg it is: `gateway.bridge.call_runner`."""

    @property
    def info(self) -> CallInfo: ...

    trunk: Trunk | None

    def trunks_for(self, target: str, name: str) -> list[Trunk]: ...
    def use_trunk(self, leg: SipLeg, trunk: Trunk) -> None: ...
    async def open_second(self, trunk: Trunk) -> SipLeg: ...
    def listen_to(self, session: Session) -> None: ...
    def feed(self, action: Callable[[Call, float], T]) -> T: ...
    def once_named(self, leg: SipLeg, body: bytes, then: Callable[[], None]) -> None: ...
    def media_changed(self, leg: SipLeg, event: Reoffered | Reanswered | ReofferRefused) -> None: ...
    def start_media(self, leg: SipLeg) -> None: ...
    def leave(self, leg: SipLeg) -> None: ...


class SecondLeg:
    """`asked.whom` hears what becomes of it, until `dismissed`."""

    def __init__(self, owner: Owner, asked: DialSecondLeg) -> None:
        self._owner, self._asked = owner, asked
        self.leg: SipLeg | None = None
        self._dismissed = self._rang = False
        self._trunks: list[Trunk] = []  # what is left to try

    @property
    def session(self) -> Session | None:
        return self.leg.session if self.leg else None

    async def dial(self) -> None:
        """Any error on the way is an end that `whom` hears of."""
        owner, asked = self._owner, self._asked
        try:
            own = [owner.trunk or Trunk("")]
            trunk, *self._trunks = own if asked.own_trunk else owner.trunks_for(asked.target, asked.trunk)
            leg = await owner.open_second(trunk)
            if self._dismissed:
                leg.close()
                return
            self.leg = leg
            leg.events = LegEvents(
                digit=lambda digit: None,
                drained=lambda: self._tell(lambda whom, now: whom.other_drained(now)),
                held=lambda on: None,
                broken=lambda outcome, problem: self._ended(problem, 0),
                spoke=lambda: None,
            )
            self._tell(lambda whom, now: whom.other_calling(leg))
            self._invite(leg, trunk)
        except Exception as error:  # boundary: a fault here ends this errand, and not the call
            if not isinstance(error, GatewayError):
                log.exception("call.bug", call_id=owner.info.call_id, exc_info=error)
            self._ended(str(error), reason_of(error).status)

    def _invite(self, leg: SipLeg, trunk: Trunk) -> None:
        """Raises SipParseError, NotLoggedIn, TrunkBusy."""
        try:
            session = leg.call(self._order(trunk))
        except TrunkBusy as error:
            if not self._try_next_trunk(leg, trunk, 503, str(error)):
                raise
            return
        self._owner.listen_to(session)
        dialing = events.TransferDialing(self._asked.target, session.dialog.call_id, trunk.name or None)
        self._owner.feed(lambda call, now: call.emit(dialing, now))

    def _try_next_trunk(self, leg: SipLeg, failed: Trunk, status: int, problem: str) -> bool:
        """False where there is none, or the telephone rings already."""
        if not self._trunks or self._rang or self._dismissed:
            return False
        trunk = self._trunks.pop(0)
        news = events.TrunkFailed(failed.name, status, problem, trunk.name)
        self._owner.feed(lambda call, now: call.emit(news, now))
        self._owner.use_trunk(leg, trunk)
        self._invite(leg, trunk)
        return True

    def _order(self, trunk: Trunk) -> OutgoingInvite:
        """Who is called sees our number, or the caller's; the trunk says which, and whether it is told of ours too."""
        info, asked = self._owner.info, self._asked
        callers = not trunk.name or trunk.bridge_caller_id == "caller"
        theirs = info.caller if info.direction == "inbound" else info.called
        caller_id = f"{theirs.name} <{theirs.user}>" if theirs.name and trunk.name else theirs.user
        headers = (("Referred-By", asked.referred_by),) if asked.referred_by else ()
        diverted = info.called.user if trunk.diversion and info.direction == "inbound" else ""
        return OutgoingInvite(
            asked.target, trunk, caller_id if callers else "", headers, replaces=asked.replaces, diverted=diverted
        )

    def receive(self, event: Event) -> None:
        leg = self.leg
        if leg is None:
            return
        match event:
            case Progress(status=status):
                self._rang = True
                self._tell(lambda whom, now: whom.other_ringing(status, now))
            case Answered(body=body):
                self._owner.once_named(leg, body, lambda: self._answered(leg, body))
            case Rejected():
                self._rejected(leg, event)
            case Reoffered(body=body) | Reanswered(body=body):
                self._owner.once_named(leg, body, lambda: self._owner.media_changed(leg, event))
            case ReofferRefused():
                self._owner.media_changed(leg, event)
            case Digit(digit=digit):
                leg.digit(digit)
            case Referred():
                leg.tell_referrer(603)
            case Ended():
                self._ended("the target hung up", 0)

    def _rejected(self, leg: SipLeg, event: Rejected) -> None:
        failed = leg.trunk or Trunk("")
        problem = failed.explained("INVITE", event.status, f"{event.status} {event.phrase}")
        try:
            if another_trunk_may_help(event) and self._try_next_trunk(leg, failed, event.status, problem):
                return
        except GatewayError as error:
            problem = str(error)
        self._ended(problem, event.status)

    def _answered(self, leg: SipLeg, body: bytes) -> None:
        try:
            leg.answered(body)
        except GatewayError as error:
            self._ended(str(error), 488)
            return
        self._owner.start_media(leg)
        self._tell(lambda whom, now: whom.other_answered(now))

    def _ended(self, problem: str, status: int) -> None:
        self._tell(lambda whom, now: whom.other_ended(problem, status, now))

    def _tell(self, what: Callable[[SecondLegEvents, float], None]) -> None:
        if not self._dismissed:
            self._owner.feed(lambda call, now: what(self._asked.whom, now))

    def release(self) -> SipLeg:
        """It has become the call's own leg."""
        assert self.leg is not None
        self._dismissed = True
        return self.leg

    def dismiss(self) -> None:
        """It is not needed any more; its session has ended, or is being ended by the call."""
        self._dismissed = True
        if self.leg:
            self._owner.leave(self.leg)
