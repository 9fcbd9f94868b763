"""The tools that the agent uses in one call, and what it announces before it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway import events
from gateway.agents import AnyTool, expand
from gateway.bridge.call.transfer import LAST_WORD_SECONDS, transfer_asked
from gateway.bridge.tools.application_tool import ApplicationTool
from gateway.bridge.tools.built_in import arguments_of, digits_of, failure
from gateway.bridge.tools.runner import RunTool
from gateway.errors import ToolError
from gateway.outcomes import Outcome
from gateway.realtime import ToolCall

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call

ANNOUNCEMENT_SECONDS = 60.0
"""Longest wait for an announcement; only a call that is on hold takes so long."""


MAX_AT_ONCE, MAX_CALLS = 16, 50
"""Functions of the agent's that may run at the same time, and that may be called while the caller says nothing."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What is done once the words before it have been heard."""

    tool_call: ToolCall
    act: Callable[[float], None]
    survives_speech: bool  # a caller who speaks up stops a hang-up, but not a transfer


@dataclass(frozen=True, slots=True)
class UpdateAgent:
    """The agent of that name, or the one it is, has the call from now on, with other `settings`."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


class ToolUse:
    """One call's. Functions of the agent's run elsewhere (`RunTool`), the built-in ones are done here."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._announced: Announced | None = None
        self._running: set[str] = set()  # calls of functions that have not ended
        self._flood = 0  # calls since the caller was last heard

    @property
    def announcing(self) -> bool:
        """What is being said comes before a transfer or the end."""
        return self._announced is not None

    def caller_spoke(self) -> None:
        self._flood = 0

    @property
    def busy(self) -> bool:
        """A function runs, or keys are waited for."""
        return bool(self._running) or self._call.dtmf_input.collecting

    def use(self, asked: ToolCall, now: float) -> None:
        call, definition = self._call, self._call.agent.definition
        call.stats.tool_calls += 1
        call.emit(events.ToolCalled(name=asked.name, arguments=asked.arguments, tool_call_id=asked.call_id), now)
        try:
            if asked.name not in definition.tools:
                known = ", ".join(definition.tools)
                raise ToolError(asked.name, f"there is no such tool; these are: {known}")
            if tool := call.agent.tools.get(asked.name):
                self._run(tool, asked, now)
            else:
                self._built_in(asked, now)
        except ToolError as error:
            self.answer(asked, failure(error.problem), now)

    def _built_in(self, asked: ToolCall, now: float) -> None:
        """Raises ToolError."""
        call, given = self._call, arguments_of(asked.name, asked.arguments)
        match asked.name:
            case "recording":
                self._record(asked, str(given.get("action")), now)
            case "send_digits":
                self._send_digits(asked, now)
            case "hold":
                self._hold(asked, given.get("on") is True, now)
            case "collect_digits":
                self._collect(asked, given, now)
            case "set_disposition":
                self._dispose(asked, given, now)
            case "update_agent":
                self._hand_on(asked, str(given.get("agent")), now)
            case "hang_up":
                self._announce(
                    Announced(asked, partial(call.hang_up, Outcome.AGENT_HUNG_UP), survives_speech=False), now
                )
            case _:
                transfer = transfer_asked(call, asked, call.variables)
                self._announce(Announced(asked, partial(call.begin_transfer, transfer), survives_speech=True), now)

    # what runs elsewhere

    def _run(self, tool: AnyTool, asked: ToolCall, now: float) -> None:
        """Raises ToolError."""
        if isinstance(tool, ApplicationTool):
            return  # who sees the session answers it there
        self._flood += 1
        if self._flood > MAX_CALLS:  # and no more answers: a model that goes round in circles waits for the caller
            self.answer(asked, failure("too many functions since the caller last spoke"), now, respond=False)
            return
        if len(self._running) >= MAX_AT_ONCE:
            raise ToolError(asked.name, f"{MAX_AT_ONCE} functions are running already")
        self._running.add(asked.call_id)
        rules = self._call.agent.definition.slow_tools
        if rules.says or rules.music:
            self._call.wake("slow", now + rules.after_seconds)
        self._call.act(RunTool(tool, asked.call_id, asked.arguments))

    def slow(self, now: float) -> None:
        """A function takes long: the caller hears that somebody is still there."""
        call, rules = self._call, self._call.agent.definition.slow_tools
        if not self._running or not call.talking or not call.leg.silent:
            return
        if rules.says:
            call.session.create_response(f"Say exactly: {expand(rules.says, call.variables)}")
        if rules.music:
            call.leg.play_music(True)

    def done(self, call_id: str, name: str, output: str, now: float) -> None:
        """A function that ran elsewhere has ended."""
        self._running.discard(call_id)
        if not self._running:
            self._call.cancel("slow")
            self._call.leg.play_music(False)
        self.answer(ToolCall(call_id, name, ""), output, now)

    def answer(self, asked: ToolCall, output: str, now: float, respond: bool = True) -> None:
        if not self._call.ended:
            self._call.emit(events.ToolOutput(name=asked.name, output=output, tool_call_id=asked.call_id), now)
            self._call.session.tool_output(asked.call_id, output, respond)

    # what is announced

    def _announce(self, announced: Announced, now: float) -> None:
        """Do it when the words that came with it have been heard, not when they were received."""
        call = self._call
        if self._announced or call.transfer or call.follow_refer:
            raise ToolError(announced.tool_call.name, "the call is being ended or transferred already")
        self._announced = announced
        call.wake("announced", now + (0 if call.leg.silent else ANNOUNCEMENT_SECONDS))

    def heard(self, now: float) -> None:
        """All that was said has left for the caller."""
        if self._announced:
            self._call.wake("announced", now + LAST_WORD_SECONDS)

    def interrupted(self, now: float) -> None:
        """The caller spoke over the announcement."""
        if self._announced is None:
            return
        if self._announced.survives_speech:
            self._call.wake("announced", now)
        else:
            asked, self._announced = self._announced.tool_call, None
            self._call.cancel("announced")
            self.answer(asked, failure("the caller spoke first, so the call goes on"), now, respond=False)

    def announced(self, now: float) -> None:
        """The time has come."""
        if self._announced:
            announced, self._announced = self._announced, None
            announced.act(now)

    # what is done at once

    def _send_digits(self, asked: ToolCall, now: float) -> None:
        """Press keys, as for a menu that answers."""
        digits = digits_of(asked.name, asked.arguments)
        self._call.leg.send_digits(digits)
        self._call.emit(events.DtmfSent(digits=digits), now)
        self.answer(asked, "sent", now)

    def _record(self, asked: ToolCall, action: str, now: float) -> None:
        recording = self._call.recording
        problem = recording.ask(action, now)
        self.answer(asked, failure(problem) if problem else "done", now, respond=not recording.announcing)

    def _hold(self, asked: ToolCall, on: bool, now: float) -> None:
        self._call.commands.hold(on, now)
        self.answer(asked, "on hold" if on else "back", now, respond=not on)

    def _collect(self, asked: ToolCall, given: dict[str, Any], now: float) -> None:
        """Answered when the keys have come."""
        most = given.get("max_digits")
        if not isinstance(most, int) or not 1 <= most <= 40:
            raise ToolError(asked.name, "max_digits has to be 1 to 40")
        name = str(given.get("name") or "digits")
        if not self._call.dtmf_input.collect(asked, name, most, given.get("secret") is True, now):
            raise ToolError(asked.name, "keys are being collected already")

    def _dispose(self, asked: ToolCall, given: dict[str, Any], now: float) -> None:
        disposition, known = given.get("disposition"), self._call.agent.definition.dispositions
        if disposition not in known:
            raise ToolError(asked.name, f"disposition has to be one of: {', '.join(known)}")
        self._call.stats.disposition = disposition
        self._call.emit(events.Disposition(disposition=disposition, note=str(given.get("note") or "")), now)
        self.answer(asked, "noted", now)

    def _hand_on(self, asked: ToolCall, name: str, now: float) -> None:
        known = self._call.agent.definition.update_agent
        if name not in known:
            raise ToolError(asked.name, f"agent has to be one of: {', '.join(known)}")
        self.answer(asked, f"{name} goes on with the conversation", now, respond=False)
        self._call.update_agent(name, {})
