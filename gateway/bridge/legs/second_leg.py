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
from gateway.bridge.reasons import reason_of
from gateway.errors import GatewayError
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

    trunk: Trunk | None

    @property
    def info(self) -> CallInfo: ...
    async def open_second(self) -> SipLeg: ...
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
        self._dismissed = False

    @property
    def session(self) -> Session | None:
        return self.leg.session if self.leg else None

    async def dial(self) -> None:
        """Any error on the way is an end that `whom` hears of."""
        owner, asked = self._owner, self._asked
        try:
            leg = await owner.open_second()
            if self._dismissed:
                leg.close()
                return
            self.leg = leg
            leg.events = LegEvents(
                digit=lambda digit: None,
                drained=lambda: self._tell(lambda whom, now: whom.other_drained(now)),
                held=lambda on: None,
                broken=lambda outcome, problem: self._ended(problem, 0),
            )
            self._tell(lambda whom, now: whom.other_calling(leg))
            session = leg.call(self._order())
            owner.listen_to(session)
            dialing = events.TransferDialing(asked.target, session.dialog.call_id)
            owner.feed(lambda call, now: call.emit(dialing, now))
        except Exception as error:  # boundary: a fault here ends this errand, and not the call
            if not isinstance(error, GatewayError):
                log.exception("call.bug", call_id=owner.info.call_id, exc_info=error)
            self._ended(str(error), reason_of(error).status)

    def _order(self) -> OutgoingInvite:
        owner, asked = self._owner, self._asked
        trunk = owner.trunk or Trunk("")
        caller_id = owner.info.caller.user if owner.trunk is None else ""
        headers = (("Referred-By", asked.referred_by),) if asked.referred_by else ()
        return OutgoingInvite(asked.target, trunk, caller_id, headers, replaces=asked.replaces)

    def receive(self, event: Event) -> None:
        leg = self.leg
        if leg is None:
            return
        match event:
            case Progress(status=status):
                self._tell(lambda whom, now: whom.other_ringing(status, now))
            case Answered(body=body):
                self._owner.once_named(leg, body, lambda: self._answered(leg, body))
            case Rejected():
                self._ended(f"{event.status} {event.phrase}", event.status)
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
