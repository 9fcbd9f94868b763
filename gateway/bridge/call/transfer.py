"""One transfer: the target is called by the caller's side (REFER), or by us, and the two are joined there or here.

    begin --> REFERRING --REFER follows its way--> the caller has left us
                  \\ refused, and we may do it ourselves
    begin -----------> DIALING --answered--> TELLING --told--> JOINING --REFER with Replaces--> both have left us
                                  \\---- nothing to tell ---->   \\---- joined here: BRIDGED

Where it fails on the way the caller is with the agent again, who hears why.
"""

from __future__ import annotations

import enum
from dataclasses import asdict
from typing import Any, Protocol

from gateway import events
from gateway.bridge.call.actions import DialSecondLeg, ReleaseSecondLeg
from gateway.bridge.call.hold_state import HoldState
from gateway.bridge.call.leg import Leg
from gateway.bridge.call.part import LAST_WORD_SECONDS, CallPort, Part, TransferRequest
from gateway.errors import SipParseError
from gateway.outcomes import Outcome

TELLING_SECONDS = 30.0
"""Longest time for telling who is called what it is about."""


class Progress(Protocol):
    """Where a REFER stands: `gateway.sip`'s OutgoingRefer."""

    status: int
    reason: str
    refused: bool

    @property
    def done(self) -> bool: ...


class Stage(enum.Enum):
    REFERRING = "referring"
    DIALING = "dialing"
    TELLING = "telling"
    JOINING = "joining"
    BRIDGED = "bridged"


class SecondParty(Part):
    """A part that has a second leg, from DialSecondLeg to `release`."""

    def __init__(self, call: CallPort) -> None:
        super().__init__(call)
        self.other: Leg | None = None
        self._released = False

    def other_calling(self, other: Leg) -> None:
        self.other = other

    def other_ended(self, problem: str, status: int, now: float) -> None:
        """It came to nothing, or is over. Our own CANCEL says so too, within the verb that sends it."""
        if not self._released:
            self.target_left(problem, status, now)

    def target_left(self, problem: str, status: int, now: float) -> None:
        """The second leg ended, and not by `release`. `status` is a SIP status, or 0."""

    def other_drained(self, now: float) -> None:
        """All speech that was queued for the second leg has left."""

    def release(self, why: str) -> None:
        """Hang up on the second telephone."""
        self._released = True
        other, self.other = self.other, None
        if other:
            other.hang_up(why)
            other.close()
        self.call.act(ReleaseSecondLeg())

    def ended(self, now: float) -> None:
        self.release("the call has ended")


class Transfer(SecondParty):
    """One transfer. Timer `told`: the target has heard the summary."""

    name = "transfer"

    def __init__(self, call: CallPort, hold: HoldState, request: TransferRequest) -> None:
        super().__init__(call)
        self._hold, self.request = hold, request
        self.stage = Stage.REFERRING
        self._target_left = False

    def snapshot(self) -> dict[str, Any]:
        return {"stage": self.stage.value, "request": asdict(self.request), "target_left": self._target_left}

    @property
    def listener(self) -> Leg | None:
        """Who hears what the agent says now."""
        return self.other if self.stage is Stage.TELLING else None

    @property
    def caller_follows(self) -> bool:
        """A caller who hangs up now has followed the REFER, and not given up waiting."""
        return self.stage in (Stage.REFERRING, Stage.JOINING)

    def begin(self, now: float) -> None:
        if self.request.attended or self._bridges:
            self._dial()
            return
        problem = self._refer(None)
        if problem:
            self._fail(problem, 0, now)

    @property
    def _bridges(self) -> bool:
        """Whoever is called is joined here: the peer cannot call them, for it is by another trunk than its own."""
        return self.call.leg.transfers == "bridge" or self.request.trunk not in ("", self.call.info.trunk)

    def _refer(self, replaces: Leg | None) -> str:
        """What keeps the caller's side from being asked; empty when it was."""
        target = self.request.target
        info = self.call.info
        known = {"call_id": info.call_id, "caller": info.caller.user, "called": info.called.user}
        known |= {"summary": self.request.summary}
        try:
            if self.call.leg.transfer(target, replaces, known):
                return ""
            return "the call cannot be transferred now"
        except SipParseError as error:
            return f"{target!r} cannot be called: {error.problem}"

    def _dial(self) -> None:
        self.stage = Stage.DIALING
        self._hold.set("transfer", True)
        self.call.act(DialSecondLeg(self.request.target, self, trunk=self.request.trunk))

    # from the caller's side

    def moved(self, progress: Progress, now: float) -> None:
        """The REFER was answered, or a NOTIFY told how the new call goes: the last word decides (RFC 3515)."""
        if not progress.done:
            self.call.emit(events.TransferProgress(progress.status or 202, progress.reason), now)
        elif 200 <= progress.status < 300:
            self.call.hang_up(Outcome.TRANSFERRED, now)
        elif progress.refused and self.call.leg.transfers == "auto":
            if self._target_left:
                self._fail("the target hung up", 0, now)
                return
            self.call.emit(events.TransferProgress(progress.status, "REFER refused: bridged here"), now)
            if self.stage is Stage.JOINING:
                self._bridge(now)
            else:
                self._dial()
        else:
            self._fail(f"{progress.status} {progress.reason}".strip(), progress.status, now)

    # from the other side

    def other_ringing(self, status: int, now: float) -> None:
        self.call.emit(events.TransferProgress(status, ""), now)

    def other_answered(self, now: float) -> None:
        if self.stage is not Stage.DIALING:
            return
        self.call.emit(events.TransferProgress(200, ""), now)
        if self.request.attended and self.request.summary:
            self.stage = Stage.TELLING
            self.call.session.say(self.request.summary)
            self.wake("told", now + TELLING_SECONDS)
        else:
            self._join(now)

    def other_drained(self, now: float) -> None:
        if self.stage is Stage.TELLING:
            self.wake("told", now + LAST_WORD_SECONDS)

    def expire(self, timer: str, now: float) -> None:
        if self.stage is Stage.TELLING:
            self._join(now)

    def target_left(self, problem: str, status: int, now: float) -> None:
        """It did not answer, or hung up."""
        if self.stage is Stage.BRIDGED:
            self.call.hang_up(Outcome.TRANSFERRED, now, bridged=True)
        elif self.stage is Stage.JOINING:  # its place was taken, or it hung up by itself: the REFER's answer tells
            self._target_left = True
        else:
            self._fail(problem, status, now)

    # the end

    def _join(self, now: float) -> None:
        if self.request.attended and not self._bridges and not self._refer(self.other):
            self.stage = Stage.JOINING
        else:
            self._bridge(now)

    def _bridge(self, now: float) -> None:
        assert self.other is not None
        self.stage = Stage.BRIDGED
        self.call.leg.join(self.other)
        self.call.bridged(now)

    def _fail(self, problem: str, status: int, now: float) -> None:
        self.cancel("told")
        self.release("transfer failed")
        self._hold.set("transfer", False)
        self.call.transfer_failed(problem, status, now)
