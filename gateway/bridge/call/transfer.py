"""One transfer: the target is called by the caller's side (REFER), or by us, and the two are joined there or here.

    begin --> REFERRING --REFER follows its way--> the caller has left us
                  \\ refused, and we may do it ourselves
    begin -----------> DIALING --answered--> TELLING --told--> JOINING --REFER with Replaces--> both have left us
                                  \\---- nothing to tell ---->   \\---- joined here: BRIDGED

Where it fails on the way the caller is with the agent again, who hears why.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gateway import events
from gateway.agents import expand
from gateway.bridge.call.leg import Leg
from gateway.bridge.tools.built_in import arguments_of
from gateway.errors import SipParseError, ToolError
from gateway.outcomes import Outcome
from gateway.realtime import ToolCall

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call

LAST_WORD_SECONDS = 0.2
"""From the last packet of an announcement to what it announced: the peer's own buffer has to play out."""

TELLING_SECONDS = 30.0
"""Longest time for telling who is called what it is about."""


class Progress(Protocol):
    """Where a REFER stands: `gateway.sip`'s OutgoingRefer."""

    status: int
    reason: str
    refused: bool

    @property
    def done(self) -> bool: ...
    @property
    def accepted(self) -> bool: ...


class Stage(enum.Enum):
    REFERRING = "referring"
    DIALING = "dialing"
    TELLING = "telling"
    JOINING = "joining"
    BRIDGED = "bridged"


class SecondLegEvents(Protocol):
    """Who wanted a second telephone called, and hears of it."""

    def other_calling(self, other: Leg) -> None: ...
    def other_ringing(self, status: int, now: float) -> None: ...
    def other_answered(self, now: float) -> None: ...
    def other_drained(self, now: float) -> None: ...
    def other_ended(self, problem: str, status: int, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class DialSecondLeg:
    """Call `target` for the call. `replaces` and `referred_by` are headers of its INVITE."""

    target: str
    whom: SecondLegEvents
    replaces: str = ""
    referred_by: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseSecondLeg:
    """The second telephone is needed no more."""


@dataclass(frozen=True, slots=True)
class ReplaceCallerLeg:
    """`leg`, the second telephone, has taken the caller's place."""

    leg: Leg


class Transfer:
    """`name` is the target's name for the agent, `target` its URI, `summary` what to tell whoever picks up there.

    `asked_by` is None where it was not the model who asked.
    """

    def __init__(
        self, call: Call, asked_by: ToolCall | None, name: str, target: str, attended: bool, summary: str
    ) -> None:
        self._call, self.asked_by, self.name, self.target = call, asked_by, name, target
        self._attended, self._summary = attended, summary
        self.stage = Stage.REFERRING
        self.other: Leg | None = None

    @property
    def listener(self) -> Leg | None:
        """Who hears what the agent says now."""
        return self.other if self.stage is Stage.TELLING else None

    def begin(self, now: float) -> None:
        if self._attended or self._call.leg.transfers == "bridge":
            self._dial()
            return
        problem = self._refer(None)
        if problem:
            self._fail(problem, 0, now)

    def _refer(self, replaces: Leg | None) -> str:
        """What keeps the caller's side from being asked; empty when it was."""
        try:
            if self._call.leg.transfer(self.target, replaces):
                return ""
            return "the call cannot be transferred now"
        except SipParseError as error:
            return f"{self.target!r} cannot be called: {error.problem}"

    def _dial(self) -> None:
        self.stage = Stage.DIALING
        self._call.hold.set("transfer", True)
        self._call.act(DialSecondLeg(self.target, self))

    # from the caller's side

    def moved(self, progress: Progress, now: float) -> None:
        """The REFER was answered, or a NOTIFY told how the new call goes: the last word decides (RFC 3515)."""
        if not progress.done:
            self._call.emit(events.TransferProgress(status=progress.status or 202, reason=progress.reason), now)
        elif 200 <= progress.status < 300:
            self._call.hang_up(Outcome.TRANSFERRED, now)
        elif progress.refused and self._call.leg.transfers == "auto":
            self._call.emit(events.TransferProgress(status=progress.status, reason="REFER refused: bridged here"), now)
            if self.stage is Stage.JOINING:
                self._bridge(now)
            else:
                self._dial()
        else:
            self._fail(f"{progress.status} {progress.reason}".strip(), progress.status, now)

    # from the other side

    def other_calling(self, other: Leg) -> None:
        self.other = other

    def other_ringing(self, status: int, now: float) -> None:
        self._call.emit(events.TransferProgress(status=status, reason=""), now)

    def other_answered(self, now: float) -> None:
        if self.stage is not Stage.DIALING:
            return
        self._call.emit(events.TransferProgress(status=200, reason=""), now)
        if self._attended and self._summary:
            self.stage = Stage.TELLING
            self._call.session.create_response(f"Say exactly: {self._summary}")
            self._call.wake("told", now + TELLING_SECONDS)
        else:
            self._join(now)

    def other_drained(self, now: float) -> None:
        """What was to be said has left for whoever picked up."""
        if self.stage is Stage.TELLING:
            self._call.wake("told", now + LAST_WORD_SECONDS)

    def told(self, now: float) -> None:
        if self.stage is Stage.TELLING:
            self._join(now)

    def other_ended(self, problem: str, status: int, now: float) -> None:
        """Nobody picked up, or whoever did has hung up."""
        if self.stage is Stage.BRIDGED:
            self._call.hang_up(Outcome.TRANSFERRED, now, bridged=True)
        elif self.stage is not Stage.JOINING:  # else its place was taken, which the NOTIFY tells
            self._fail(problem, status, now)

    # the end

    def _join(self, now: float) -> None:
        if self._attended and self._call.leg.transfers != "bridge" and not self._refer(self.other):
            self.stage = Stage.JOINING
        else:
            self._bridge(now)

    def _bridge(self, now: float) -> None:
        assert self.other is not None
        self.stage = Stage.BRIDGED
        self._call.leg.join(self.other)
        self._call.bridged(now)

    def _fail(self, problem: str, status: int, now: float) -> None:
        self.close("transfer failed")
        self._call.hold.set("transfer", False)
        self._call.transfer_failed(problem, status, now)

    def close(self, why: str) -> None:
        """Let go of the other side."""
        other, self.other = self.other, None
        release_second_leg(self._call, other, why)


def release_second_leg(call: Call, other: Leg | None, why: str) -> None:
    """Hang up on the second telephone."""
    if other:
        other.hang_up(why)
        other.close()
    call.act(ReleaseSecondLeg())


def transfer_asked(call: Call, asked: ToolCall, variables: Mapping[str, str]) -> Transfer:
    """What the model wants. Raises ToolError where it named nobody that it may."""
    definition = call.agent.definition
    arguments = arguments_of(asked.name, asked.arguments)
    name, summary = arguments.get("target"), arguments.get("summary", "")
    if not isinstance(name, str) or name not in definition.transfer_targets:
        raise ToolError(asked.name, f"the target has to be one of: {', '.join(definition.transfer_targets)}")
    target = expand(definition.transfer_targets[name], variables)
    told = summary if isinstance(summary, str) else ""
    return Transfer(call, asked, name, target, definition.transfer == "attended", told)
