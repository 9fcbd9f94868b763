"""A part of a call: it owns its state and its timers, and overrides the hooks of what it wants to know.

The call tells its parts what happens, in one fixed order (`Call.__init__`). A part knows its call by `CallPort` alone;
another part that it needs is an argument of its constructor. So that neither reaches into the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from gateway.agents import Agent
from gateway.bridge.call.actions import Action
from gateway.bridge.call.call_info import CallInfo, CallStats
from gateway.bridge.call.leg import AgentSession, Leg
from gateway.bridge.places import Places
from gateway.call_record import CallState
from gateway.destinations import Destination
from gateway.events import EventData
from gateway.outcomes import Outcome
from gateway.realtime import ResponseDone, ToolCall

LAST_WORD_SECONDS = 0.2
"""From the last packet of an announcement to what it announced: the peer's own buffer has to play out."""


@dataclass(frozen=True, slots=True)
class TransferRequest:
    """`name` is the target's name for the agent, `target` its URI, `summary` what to tell whoever picks up there.

    `asked_by` is None where it was not the model who asked. `trunk` names the one by which it is called.
    """

    name: str
    target: str
    attended: bool = False
    summary: str = ""
    asked_by: ToolCall | None = None
    trunk: str = ""


class CallPort(Protocol):
    """What a part may know of its call, and ask of it."""

    @property
    def info(self) -> CallInfo: ...
    @property
    def agent(self) -> Agent:
        """Who has the call now."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What the agent's texts may name in double braces."""

    @property
    def stats(self) -> CallStats: ...
    @property
    def state(self) -> CallState: ...
    @property
    def leg(self) -> Leg:
        """The caller's."""

    @property
    def session(self) -> AgentSession: ...
    @property
    def talking(self) -> bool:
        """The caller and the agent hear each other."""

    @property
    def audible(self) -> bool:
        """The caller hears what is played: the call is answered, or we may speak before that."""

    @property
    def places(self) -> Places: ...
    def resolve(self, to: Destination, now: float) -> Destination:
        """Where it leads now: by its calendar, where it is one."""

    @property
    def leaving(self) -> bool:
        """A transfer is under way, or a REFER of the peer's is followed."""

    def emit(self, event: EventData, now: float) -> None: ...
    def epoch_of(self, now: float) -> float:
        """Wall-clock s."""

    def act(self, action: Action) -> None: ...
    def wake(self, part: Part, timer: str, when: float) -> None: ...
    def cancel(self, part: Part, timer: str) -> None: ...

    def interrupt(self, now: float, by_speech: bool) -> None:
        """Stop talking before the next frame, and tell the provider how much was heard."""

    def hang_up(
        self, outcome: Outcome, now: float, problem: str | None = None, bridged: bool | None = None, status: int = 0
    ) -> None:
        """`status` refuses a call that is not answered yet."""

    def connected(self, now: float) -> None:
        """The caller's telephone was answered."""

    def greet(self, now: float) -> None: ...
    def said(self, text: str, now: float) -> None:
        """The caller heard words of ours: they stand in the transcript."""

    def put_on_hold(self, on: bool, now: float) -> None:
        """The caller hears music and is not listened to, or is taken back: an operator's wish, or the agent's."""

    def answer_tool(self, asked: ToolCall, output: str, now: float, respond: bool = True) -> None:
        """Give the model what came of its tool call; with `respond` it goes on to speak."""

    def begin_transfer(self, request: TransferRequest, now: float) -> None: ...
    def bridged(self, now: float) -> None:
        """The caller and the target of the transfer talk with each other."""

    def release_agent(self, now: float) -> None:
        """Nobody has the call, for the time being."""

    def overflow(self, problem: str, outcome: Outcome, now: float) -> bool:
        """There is no agent for it: whether it goes where the route or the menu says `otherwise`."""

    def put_through(self, target: str, now: float) -> None:
        """The caller talks with whom the call was put through to before it was answered."""

    def transfer_failed(self, problem: str, status: int, now: float) -> None: ...
    def replaced(self, caller: str, now: float) -> None:
        """Another party has taken the caller's place: `caller` is its URI."""

    def refer_failed(self, now: float, referrer_left: bool) -> None:
        """The target of the peer's REFER was not reached."""


class Hooks:
    """What a part may want to know. Every hook does nothing unless a part overrides it."""

    def answered(self, now: float) -> None:
        """The call is answered."""

    def confirmed(self, now: float) -> None:
        """The ACK came, or ours has left: what is said now is heard."""

    def agent_begins(self, now: float) -> None:
        """An agent has the call that nobody had before, though it was answered."""

    def agent_leaves(self, now: float) -> None:
        """The call goes on without an agent, for the time being."""

    def agent_speaks(self, now: float) -> None:
        """Audio of the agent has come."""

    def caller_active(self, now: float) -> None:
        """The caller is there: speech, or a key."""

    def speech_started(self, now: float) -> None:
        """The provider hears the caller."""

    def speech_heard(self, now: float) -> None:
        """Our own detector hears the caller over the agent, maybe before the provider does."""

    def speech_stopped(self, now: float) -> None:
        """The caller's turn is over."""

    def caller_said(self, text: str, now: float) -> None:
        """The words of a turn of the caller's; empty where nothing was said."""

    def response_done(self, event: ResponseDone, now: float) -> None: ...
    def playout_drained(self, now: float) -> None:
        """All speech that was queued has left for the caller."""

    def interrupted(self, now: float) -> None:
        """The agent was stopped."""


HOOKS: tuple[Callable[..., None], ...] = tuple(one for name, one in vars(Hooks).items() if not name.startswith("_"))


class Part(Hooks):
    """`name` is its own in snapshots."""

    name: ClassVar[str]

    def __init__(self, call: CallPort) -> None:
        self.call = call

    def wake(self, timer: str, when: float) -> None:
        """Call `expire` with this timer at that time; setting it again replaces the time."""
        self.call.wake(self, timer, when)

    def cancel(self, timer: str) -> None:
        self.call.cancel(self, timer)

    def expire(self, timer: str, now: float) -> None:
        """A timer of this part is due."""

    def snapshot(self) -> dict[str, Any]:
        """Its state as plain JSON values; timers are the call's to write down."""
        return {}

    def ended(self, now: float) -> None:
        """The call is over. Its timers are gone."""
