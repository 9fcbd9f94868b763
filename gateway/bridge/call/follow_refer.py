"""The peer's REFER, followed (RFC 3515): its target is called, and takes the peer's place once it answers.

Until then the agent and the peer are as they were, and so they are when nobody answers. A peer that hangs up meanwhile,
as telephones do after a blind transfer, leaves the agent to whoever it has sent it to.
"""

from __future__ import annotations

from typing import Any

from gateway import events
from gateway.bridge.call.actions import DialSecondLeg, ReplaceCallerLeg
from gateway.bridge.call.part import CallPort
from gateway.bridge.call.transfer import SecondParty


class FollowRefer(SecondParty):
    """One REFER. When its target answers, `ReplaceCallerLeg` puts it in the caller's place."""

    name = "follow_refer"

    def __init__(self, call: CallPort, target: str, replaces: str, referred_by: str) -> None:
        super().__init__(call)
        self._target, self._replaces, self._referred_by = target, replaces, referred_by
        self._alone = False

    def snapshot(self) -> dict[str, Any]:
        asked = {"target": self._target, "replaces": self._replaces, "referred_by": self._referred_by}
        return asked | {"alone": self._alone}

    def referrer_left(self, now: float) -> bool:
        """The peer has hung up; whether that was news: the call goes on without it."""
        if self._alone:
            return False
        self._alone = True
        self.call.emit(events.ReferrerLeft(), now)
        return True

    def begin(self, now: float) -> None:
        self.call.emit(events.Referred(self._target, self._referred_by), now)
        self.call.act(DialSecondLeg(self._target, self, self._replaces, self._referred_by, own_trunk=True))

    def other_ringing(self, status: int, now: float) -> None:
        self.call.leg.tell_referrer(status)

    def other_answered(self, now: float) -> None:
        other, self.other = self.other, None
        assert other is not None
        self.call.leg.tell_referrer(200)
        self.call.act(ReplaceCallerLeg(other))
        self.call.replaced(self._target, now)

    def target_left(self, problem: str, status: int, now: float) -> None:
        self.call.leg.tell_referrer(status if status >= 300 else 503)
        self.call.emit(events.ReferFailed(self._target, status, problem), now)
        self.release("not needed")
        self.call.refer_failed(now, self._alone)
