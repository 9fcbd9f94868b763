"""The actions of a call, as `gateway.machine` defines actions. `gateway.bridge.call_runner` carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.agents import AnyTool
from gateway.bridge.call.leg import Leg
from gateway.events import CallEvent


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a function of the agent's and hand its answer to the call's `tools.done`."""

    tool: AnyTool
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class UpdateAgent:
    """The agent of that name, or the one it is, has the call from now on, with other `settings`."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


class SecondLegEvents(Protocol):
    """The part that asked for a second leg: it is told what becomes of it."""

    def other_calling(self, other: Leg) -> None: ...
    def other_ringing(self, status: int, now: float) -> None: ...
    def other_answered(self, now: float) -> None: ...
    def other_drained(self, now: float) -> None: ...
    def other_ended(self, problem: str, status: int, now: float) -> None: ...


@dataclass(frozen=True, slots=True)
class DialSecondLeg:
    """Call `target` for the call. `replaces` and `referred_by` are headers of its INVITE.

    `own_trunk`: by the call's own and no other, because it is the peer who wants it. `trunk` names another one.
    """

    target: str
    whom: SecondLegEvents
    replaces: str = ""
    referred_by: str = ""
    own_trunk: bool = False
    trunk: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseSecondLeg:
    """The second leg is not needed any more."""


@dataclass(frozen=True, slots=True)
class ReplaceCallerLeg:
    """`leg`, the second telephone, has taken the caller's place."""

    leg: Leg


@dataclass(frozen=True, slots=True)
class MakeSound:
    """Make the sound of `text`, or of a prompt by its name, for the call's `announcer.made`; `number` 0: for later."""

    number: int
    text: str
    prompt: str = ""
    speech: str = ""
    voice: str = ""


@dataclass(frozen=True, slots=True)
class AnswerTurns:
    """Whether the agent answers when the caller has spoken, or only listens."""

    on: bool


@dataclass(frozen=True, slots=True)
class ConnectAgent:
    """Open a session for the agent of that name, who has the call from then on: `Call.begin`.

    `answers`: it answers what the caller has said since `Overhear`, and does not greet.
    """

    name: str
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Overhear:
    """Keep what the caller says from now on, for the agent that is connected next; or not any more."""

    on: bool


@dataclass(frozen=True, slots=True)
class ReleaseAgent:
    """Nobody speaks with the caller for the time being: the agent's session has ended."""


@dataclass(frozen=True, slots=True)
class MessageCommand:
    """Record the caller alone: `what` is start; keep, for a mailbox, with why it ended; or drop."""

    what: str
    box: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RecordingCommand:
    """`what` is start, pause, resume or stop."""

    what: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The call is over; nothing follows."""


Action = (
    CallEvent
    | RunTool
    | UpdateAgent
    | DialSecondLeg
    | ReleaseSecondLeg
    | ReplaceCallerLeg
    | RecordingCommand
    | AnswerTurns
    | ConnectAgent
    | Overhear
    | ReleaseAgent
    | MessageCommand
    | MakeSound
    | Finished
)
