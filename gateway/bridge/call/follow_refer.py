"""The peer's REFER, followed (RFC 3515): its target is called, and takes the peer's place once it answers.

Until then the agent and the peer are as they were, and so they are when nobody answers. A peer that hangs up meanwhile,
as telephones do after a blind transfer, leaves the agent to whoever it has sent it to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import events
from gateway.bridge.call.leg import Leg
from gateway.bridge.call.transfer import DialSecondLeg, ReplaceCallerLeg, release_second_leg
from gateway.outcomes import Outcome

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call


class FollowRefer:
    """`consult` says whom to call; `Swap` is done with whoever picked up."""

    def __init__(self, call: Call, target: str, replaces: str, referred_by: str) -> None:
        self._call, self._target = call, target
        self._replaces, self._referred_by = replaces, referred_by
        self.other: Leg | None = None
        self._alone = False

    def outlives(self, now: float) -> bool:
        """Whether the call goes on though its peer has hung up."""
        if not self._alone:
            self._alone = True
            self._call.emit(events.ReferrerLeft(), now)
            return True
        return False

    def begin(self, now: float) -> None:
        self._call.emit(events.Referred(uri=self._target, referred_by=self._referred_by), now)
        self._call.act(DialSecondLeg(self._target, self, self._replaces, self._referred_by))

    def other_calling(self, other: Leg) -> None:
        self.other = other

    def other_ringing(self, status: int, now: float) -> None:
        self._call.leg.tell_referrer(status)

    def other_answered(self, now: float) -> None:
        other, self.other = self.other, None
        assert other is not None
        self._call.leg.tell_referrer(200)
        self._call.follow_refer = None
        self._call.act(ReplaceCallerLeg(other))
        self._call.replaced(self._target, now)

    def other_drained(self, now: float) -> None:
        """Nothing is said to it before it is the caller."""

    def other_ended(self, problem: str, status: int, now: float) -> None:
        self._call.leg.tell_referrer(status if status >= 300 else 503)
        self._call.emit(events.ReferFailed(uri=self._target, status=status, problem=problem), now)
        self._call.follow_refer = None
        self.close("not needed")
        if self._alone:
            self._call.leg_ended(Outcome.CALLER_HUNG_UP, "", now)

    def close(self, why: str) -> None:
        """Let go of the other side."""
        other, self.other = self.other, None
        release_second_leg(self._call, other, why)
