"""A call: one telephone party, one agent, and every decision between them.

A machine: its inputs are methods with `now` (s, monotonic), it calls verbs of the leg and of the agent's session, and
its actions are `CallEvent`s for whoever keeps account, `RunTool`, and `Finished` once at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from gateway.agents import Agent, Tool, expand
from gateway.bridge.facts import CallFacts
from gateway.bridge.leg import AgentSession, Leg
from gateway.bridge.reasons import Reason
from gateway.bridge.tools import arguments_of, failure
from gateway.errors import SipParseError, ToolError
from gateway.machine import Timers
from gateway.realtime import (
    AudioDelta,
    Event,
    Heard,
    Lost,
    ProviderFault,
    ResponseDone,
    Severity,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
    Transcript,
)
from gateway.records import CallEvent, CallState

LAST_WORD_SECONDS = 0.2
"""From the last packet of an announcement to what it announced: the peer's own buffer has to play out."""

ANNOUNCEMENT_SECONDS = 60.0
"""Longest wait for an announcement; only a call that is on hold takes so long."""

DIGITS_SECONDS = 2.0
"""Keys that are pressed within this time belong together; `#` ends them at once."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a function of the agent's and hand its answer to `tool_done`."""

    tool: Tool
    call_id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The call is over; nothing follows."""


Action = CallEvent | RunTool | Finished


class Progress(Protocol):
    """Where a transfer stands: `gateway.sip`'s Referral."""

    status: int
    reason: str

    @property
    def done(self) -> bool: ...
    @property
    def accepted(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Announced:
    """What is done once the words before it have been heard."""

    tool_call: ToolCall
    act: Callable[[float], None]
    survives_speech: bool  # a caller who speaks up stops a hang-up, but not a transfer


@dataclass(slots=True)
class Tally:
    """Counts and times for the record; times are wall clock, in s."""

    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    outcome: str = ""
    interruptions: int = 0
    tool_calls: int = 0
    faults: int = 0
    usage: dict[str, int] = field(default_factory=dict)


class Call:
    """`epoch` is what makes wall-clock seconds of `now`."""

    def __init__(
        self, facts: CallFacts, agent: Agent, leg: Leg, session: AgentSession, now: float, epoch: float
    ) -> None:
        self.facts, self.agent = facts, agent
        self.state = CallState.INCOMING
        self._leg, self._session, self._epoch = leg, session, epoch
        self._timers: Timers[str] = Timers()
        self._actions: list[Action] = []
        self._announced: Announced | None = None
        self._transfer: tuple[str, ToolCall] | None = None  # target and what asked for it
        self._digits = ""
        self._variables = facts.variables(agent.name)
        self.tally = Tally(now + epoch)

    def __str__(self) -> str:
        return f"{self.facts.call_id} {self.state} {self.facts.caller.uri} with {self.agent.name}"

    # machine

    def deadline(self) -> float | None:
        return self._timers.deadline()

    def expire(self, now: float) -> None:
        for timer in self._timers.due(now):
            match timer:
                case "announced" if self._announced:
                    announced, self._announced = self._announced, None
                    announced.act(now)
                case "digits":
                    self._hand_over_digits()

    def actions(self) -> list[Action]:
        taken, self._actions = self._actions, []
        return taken

    def record(self) -> dict[str, Any]:
        """The call as it stands, plain JSON values."""
        return {
            **self.facts.identity(),
            "state": str(self.state),
            "agent": self.agent.name,
            "provider": self.agent.definition.provider,
            "started_at": self.tally.started_at,
            "answered_at": self.tally.answered_at,
            "ended_at": self.tally.ended_at,
            "outcome": self.tally.outcome,
            "interruptions": self.tally.interruptions,
            "tool_calls": self.tally.tool_calls,
            "provider_faults": self.tally.faults,
            "usage": dict(self.tally.usage),
        }

    # the telephone's side

    def start(self, now: float) -> None:
        self.state = CallState.RINGING
        self._leg.ring()
        self._emit("incoming", now, agent=self.agent.name)

    def agent_ready(self, now: float) -> None:
        """The provider has the session: now there is somebody to talk with."""
        if self.state is CallState.RINGING:
            self.state = CallState.ANSWERED
            self.tally.answered_at = now + self._epoch
            self._leg.answer()
            self._emit("answered", now)

    def refuse(self, error: Exception, reason: Reason, now: float) -> None:
        if self.state is CallState.RINGING:
            self._leg.reject(reason.status, reason.headers)
            self._finish(reason.outcome, now, status=reason.status, problem=str(error))

    def confirmed(self, now: float) -> None:
        """The ACK came: what is said now is heard."""
        if self.state is CallState.ANSWERED and self.agent.definition.greeting:
            greeting = expand(self.agent.definition.greeting, self._variables)
            self._session.create_response(f"Say exactly: {greeting}")

    def leg_ended(self, cause: str, reason: str, now: float) -> None:
        if self.state is CallState.ENDED:
            return
        if self.state is CallState.TRANSFERRING and cause == "bye":
            cause = "transferred"  # the caller follows the REFER and has no more use for this call
        outcome = "caller_hung_up" if cause == "bye" else cause.replace("-", "_")
        self._finish(outcome, now, **({"reason": reason} if reason else {}))

    def digit(self, digit: str, now: float) -> None:
        """A key of the caller's; several that belong together go to the agent as one piece of text."""
        if self.state is not CallState.ANSWERED:
            return
        if not self._digits:
            self._interrupt(now, by_speech=False)
        self._digits += digit
        self._emit("dtmf", now, digit=digit)
        if digit == "#":
            self._hand_over_digits()
        else:
            self._timers.set("digits", now + DIGITS_SECONDS)

    def _hand_over_digits(self) -> None:
        digits, self._digits = self._digits, ""
        self._timers.cancel("digits")
        if digits and self.state is CallState.ANSWERED:
            self._session.add_text(f"[DTMF] {digits}")
            self._session.create_response()

    def drained(self, now: float) -> None:
        """All speech that was queued has left for the caller."""
        if self._announced:
            self._timers.set("announced", now + LAST_WORD_SECONDS)

    def hang_up(self, outcome: str, now: float, **facts: Any) -> None:
        """End the call from our side, whatever it is doing."""
        if self.state is CallState.ENDED:
            return
        if self.state is CallState.RINGING:
            self._leg.reject(480, {})
        else:
            self._leg.hang_up(outcome.replace("_", " "))
        self._finish(outcome, now, **facts)

    # the agent's side

    def receive(self, event: Event, now: float) -> None:
        match event:
            case AudioDelta():
                if self.state is CallState.ANSWERED:
                    self._leg.play(event.item_id, event.content_index, event.audio)
            case SpeechStarted():
                self._emit("speech_started", now, audio_start_ms=event.at_ms)
                if self.agent.definition.turn_detection.interrupt_response:
                    self._interrupt(now, by_speech=True)
            case SpeechStopped():
                self._emit("speech_stopped", now, audio_end_ms=event.at_ms)
            case Transcript() if event.text:
                self._emit("transcript", now, role=event.role, text=event.text, item_id=event.item_id)
            case ResponseDone():
                self._response_done(event, now)
            case ProviderFault():
                self._fault(event, now)
            case Lost():
                why = f"code {event.code}{event.reason and ': ' + event.reason}"
                self.hang_up("provider_lost", now, problem=f"the provider closed the connection ({why})")

    def _interrupt(self, now: float, by_speech: bool) -> None:
        """Stop talking before the next frame, and tell the provider how much was heard."""
        playing = not self._leg.silent
        heard: list[Heard] = self._session.interrupt(self._leg.flush(), by_speech)
        if playing:
            self.tally.interruptions += 1
            truncated = {"item_id": heard[0].item_id, "audio_end_ms": heard[0].ms} if heard else {}
            self._emit("interrupted", now, **truncated)
        if self._announced is None:
            return
        if self._announced.survives_speech:
            self._timers.set("announced", now)
        else:
            call, self._announced = self._announced.tool_call, None
            self._timers.cancel("announced")
            self._answer_tool(call, failure("the caller spoke first, so the call goes on"), now, respond=False)

    def _fault(self, event: ProviderFault, now: float) -> None:
        if event.severity is Severity.BENIGN:
            return
        self.tally.faults += 1
        self._emit("provider_fault", now, code=event.code, message=event.message, about=event.about)
        if event.severity is Severity.FATAL:
            self.hang_up("provider_lost", now, problem=f"{event.message} ({event.code})")

    def _response_done(self, event: ResponseDone, now: float) -> None:
        for name in ("total_tokens", "input_tokens", "output_tokens"):
            if isinstance(count := event.usage.get(name), int):
                self.tally.usage[name] = self.tally.usage.get(name, 0) + count
        if event.status in ("failed", "incomplete"):
            self.tally.faults += 1
            self._emit("response_failed", now, status=event.status, problem=event.problem)
        for call in event.calls:
            self._tool_call(call, now)

    # tools

    def _tool_call(self, call: ToolCall, now: float) -> None:
        self.tally.tool_calls += 1
        self._emit("tool_call", now, name=call.name, arguments=call.arguments)
        tool = self.agent.tools.get(call.name)
        try:
            if call.name not in self.agent.definition.tools:
                known = ", ".join(self.agent.definition.tools)
                raise ToolError(call.name, f"there is no such tool; these are: {known}")
            if tool:
                self._actions.append(RunTool(tool, call.call_id, call.arguments))
            elif call.name == "hang_up":
                self._announce(Announced(call, self._hang_up_as_asked, survives_speech=False), now)
            else:
                name, target = self._target_of(call)
                begin = partial(self._begin_transfer, call, name, target)
                self._announce(Announced(call, begin, survives_speech=True), now)
        except ToolError as error:
            self._answer_tool(call, failure(error.problem), now)

    def tool_done(self, call_id: str, name: str, output: str, now: float) -> None:
        if self.state is not CallState.ENDED:
            self._answer_tool(ToolCall(call_id, name, ""), output, now)

    def _answer_tool(self, call: ToolCall, output: str, now: float, respond: bool = True) -> None:
        self._emit("tool_output", now, name=call.name, output=output)
        self._session.tool_output(call.call_id, output, respond)

    def _announce(self, announced: Announced, now: float) -> None:
        """Do it when the words that came with it have been heard, not when they were received."""
        if self._announced or self._transfer:
            raise ToolError(announced.tool_call.name, "the call is being ended or transferred already")
        self._announced = announced
        self._timers.set("announced", now + (0 if self._leg.silent else ANNOUNCEMENT_SECONDS))

    def _hang_up_as_asked(self, now: float) -> None:
        self.hang_up("agent_hung_up", now)

    # transfer

    def _target_of(self, call: ToolCall) -> tuple[str, str]:
        """The name that the model chose and the URI behind it. Raises ToolError."""
        targets = self.agent.definition.transfer_targets
        name = arguments_of(call.name, call.arguments).get("target")
        if not isinstance(name, str) or name not in targets:
            raise ToolError(call.name, f"the target has to be one of: {', '.join(targets)}")
        return name, expand(targets[name], self._variables)

    def _begin_transfer(self, call: ToolCall, name: str, target: str, now: float) -> None:
        if self.state is not CallState.ANSWERED:
            return
        self.state, self._transfer = CallState.TRANSFERRING, (name, call)
        self._leg.deafen(True)  # hold music is not for the agent's ears
        self._emit("transfer_started", now, target=name, uri=target)
        try:
            if not self._leg.transfer(target):
                self._transfer_failed("the call cannot be transferred now", 0, now)
        except SipParseError as error:
            self._transfer_failed(f"{target!r} cannot be called: {error.problem}", 0, now)

    def transfer_moved(self, progress: Progress, now: float) -> None:
        """The REFER was answered, or a NOTIFY told how the new call goes: the last word decides (RFC 3515)."""
        if self._transfer is None:
            return
        if not progress.done:
            self._emit("transfer_progress", now, status=progress.status or 202, reason=progress.reason)
        elif 200 <= progress.status < 300:
            self.hang_up("transferred", now)
        else:
            self._transfer_failed(f"{progress.status} {progress.reason}".strip(), progress.status, now)

    def _transfer_failed(self, problem: str, status: int, now: float) -> None:
        assert self._transfer is not None
        (name, call), self._transfer = self._transfer, None
        self.state = CallState.ANSWERED
        self._leg.deafen(False)
        self._emit("transfer_failed", now, target=name, status=status, problem=problem)
        self._answer_tool(call, failure(f"the transfer to {name} failed: {problem}"), now)

    # endings

    def _finish(self, outcome: str, now: float, **facts: Any) -> None:
        self.state = CallState.ENDED
        self.tally.outcome, self.tally.ended_at = outcome, now + self._epoch
        for timer in ("announced", "digits"):
            self._timers.cancel(timer)
        self._session.close()
        self._leg.close()
        self._emit("ended", now, outcome=outcome, **facts)
        self._actions.append(Finished())

    def _emit(self, kind: str, now: float, **data: Any) -> None:
        self._actions.append(CallEvent(self.facts.call_id, now + self._epoch, kind, data))
