"""The tools that the agent uses in one call, and what it announces before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway import events
from gateway.agents import AnyTool, expand
from gateway.bridge.call.actions import RunTool, UpdateAgent
from gateway.bridge.call.dtmf_input import DtmfInput
from gateway.bridge.call.part import LAST_WORD_SECONDS, CallPort, Part, TransferRequest
from gateway.bridge.call.recording import Recording
from gateway.bridge.tools.application_tool import ApplicationTool
from gateway.bridge.tools.built_in import arguments_of, digits_of, failure
from gateway.errors import ToolError
from gateway.outcomes import Outcome
from gateway.realtime import ResponseDone, ToolCall

ANNOUNCEMENT_SECONDS = 60.0
"""Longest wait for an announcement; only a call that is on hold takes so long."""

MAX_AT_ONCE, MAX_CALLS = 16, 50
"""Functions of the agent's that may run at the same time, and that may be called while the caller says nothing."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What is done once the words before it have been heard: a transfer, or the end of the call."""

    asked: ToolCall
    transfer: TransferRequest | None

    @property
    def survives_speech(self) -> bool:
        """A caller who speaks up stops the end of the call, but not a transfer."""
        return self.transfer is not None


class ToolUse(Part):
    """One call's. Functions of the agent's run elsewhere (`RunTool`), the built-in ones are done here.

    Timers: announced (the words have been heard), slow (a function takes long).
    """

    name = "tools"

    def __init__(self, call: CallPort, recording: Recording, dtmf_input: DtmfInput) -> None:
        super().__init__(call)
        self._recording, self._dtmf_input = recording, dtmf_input
        self._announced: Announced | None = None
        self._running: dict[str, None] = {}  # calls of functions that have not ended
        self._since_caller = 0  # calls of functions since the caller was last heard

    def snapshot(self) -> dict[str, Any]:
        announced = self._announced and asdict(self._announced)
        return {"announced": announced, "running": list(self._running), "since_caller": self._since_caller}

    @property
    def announcing(self) -> bool:
        """What is being said comes before a transfer or the end."""
        return self._announced is not None

    @property
    def asking(self) -> bool:
        """What the caller says is an answer to a question of ours, and not for the agent."""
        return self._recording.takes_keys

    @property
    def busy(self) -> bool:
        """A function runs, or keys or a consent are waited for."""
        return bool(self._running) or self._dtmf_input.collecting or self._recording.announcing

    def caller_active(self, now: float) -> None:
        self._since_caller = 0

    def response_done(self, event: ResponseDone, now: float) -> None:
        for asked in event.calls:
            self.use(asked, now)

    def use(self, asked: ToolCall, now: float) -> None:
        call, definition = self.call, self.call.agent.definition
        call.stats.tool_calls += 1
        call.emit(events.ToolCalled(asked.name, asked.arguments, asked.call_id), now)
        try:
            if asked.name not in definition.tools:
                known = ", ".join(definition.tools)
                raise ToolError(asked.name, f"there is no such tool; these are: {known}")
            if tool := call.agent.tools.get(asked.name):
                self._run(tool, asked, now)
            else:
                self._built_in(asked, now)
        except ToolError as error:
            call.answer_tool(asked, failure(error.problem), now)

    def _built_in(self, asked: ToolCall, now: float) -> None:
        """Raises ToolError."""
        given = arguments_of(asked.name, asked.arguments)
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
                self._announce(Announced(asked, None), now)
            case _:
                self._announce(Announced(asked, self._transfer(asked, given)), now)

    def agent_leaves(self, now: float) -> None:
        """Its functions run to their end, and nobody hears of it."""
        self._announced, self._running, self._since_caller = None, {}, 0
        for timer in ("announced", "slow"):
            self.cancel(timer)
        self.call.leg.play_music(False)

    # what runs elsewhere

    def _run(self, tool: AnyTool, asked: ToolCall, now: float) -> None:
        """Raises ToolError."""
        if isinstance(tool, ApplicationTool):
            return  # who sees the session answers it there
        self._since_caller += 1
        if self._since_caller > MAX_CALLS:  # no more answers: a model that goes round in circles waits for the caller
            problem = "too many functions since the caller last spoke"
            self.call.answer_tool(asked, failure(problem), now, respond=False)
            return
        if len(self._running) >= MAX_AT_ONCE:
            raise ToolError(asked.name, f"{MAX_AT_ONCE} functions are running already")
        self._running[asked.call_id] = None
        rules = self.call.agent.definition.slow_tools
        if rules.says or rules.music:
            self.wake("slow", now + rules.after_seconds)
        self.call.act(RunTool(tool, asked.call_id, asked.arguments))

    def _slow(self) -> None:
        """A function takes long: say so, or play music, as `slow_tools` of the agent says."""
        call, rules = self.call, self.call.agent.definition.slow_tools
        if not self._running or not call.talking or not call.leg.silent:
            return
        if rules.says:
            call.session.say(expand(rules.says, call.variables))
        if rules.music:
            call.leg.play_music(True)

    def done(self, call_id: str, name: str, output: str, now: float) -> None:
        """A function that ran elsewhere has ended."""
        if call_id not in self._running:  # of an agent that has left
            return
        del self._running[call_id]
        if not self._running:
            self.cancel("slow")
            self.call.leg.play_music(False)
        self.call.answer_tool(ToolCall(call_id, name, ""), output, now)

    # what is announced

    def _announce(self, announced: Announced, now: float) -> None:
        """Do it when the words that came with it have been heard, not when they were received. Raises ToolError."""
        if self._announced or self.call.leaving:
            raise ToolError(announced.asked.name, "the call is being ended or transferred already")
        self._announced = announced
        self.wake("announced", now + (0 if self.call.leg.silent else ANNOUNCEMENT_SECONDS))

    def playout_drained(self, now: float) -> None:
        if self._announced:
            self.wake("announced", now + LAST_WORD_SECONDS)

    def interrupted(self, now: float) -> None:
        """The caller spoke over the announcement."""
        if self._announced is None:
            return
        if self._announced.survives_speech:
            self.wake("announced", now)
        else:
            asked, self._announced = self._announced.asked, None
            self.cancel("announced")
            self.call.answer_tool(asked, failure("the caller spoke first, so the call goes on"), now, respond=False)

    def expire(self, timer: str, now: float) -> None:
        if timer == "slow":
            self._slow()
        elif self._announced:
            transfer, self._announced = self._announced.transfer, None
            if transfer:
                self.call.begin_transfer(transfer, now)
            else:
                self.call.hang_up(Outcome.AGENT_HUNG_UP, now)

    def _transfer(self, asked: ToolCall, given: Mapping[str, Any]) -> TransferRequest:
        """The transfer that the model asks for. Raises ToolError for a target that is not in `transfer_targets`."""
        definition = self.call.agent.definition
        name, summary = given.get("target"), given.get("summary", "")
        if not isinstance(name, str) or name not in definition.transfer_targets:
            raise ToolError(asked.name, f"the target has to be one of: {', '.join(definition.transfer_targets)}")
        target = expand(definition.transfer_targets[name], self.call.variables)
        told = summary if isinstance(summary, str) else ""
        return TransferRequest(name, target, definition.transfer == "attended", told, asked)

    # what is done at once

    def _send_digits(self, asked: ToolCall, now: float) -> None:
        """Press keys, as for a menu that answers."""
        digits = digits_of(asked.name, asked.arguments)
        self.call.leg.send_digits(digits)
        self.call.emit(events.DtmfSent(digits), now)
        self.call.answer_tool(asked, "sent", now)

    def _record(self, asked: ToolCall, action: str, now: float) -> None:
        problem = self._recording.ask(action, now)
        output = failure(problem) if problem else "done"
        self.call.answer_tool(asked, output, now, respond=not self._recording.announcing)

    def _hold(self, asked: ToolCall, on: bool, now: float) -> None:
        self.call.put_on_hold(on, now)
        self.call.answer_tool(asked, "on hold" if on else "back", now, respond=not on)

    def _collect(self, asked: ToolCall, given: Mapping[str, Any], now: float) -> None:
        """Answered when the keys have come."""
        most = given.get("max_digits")
        if not isinstance(most, int) or not 1 <= most <= 40:
            raise ToolError(asked.name, "max_digits has to be 1 to 40")
        name = str(given.get("name") or "digits")
        if not self._dtmf_input.collect(asked, name, most, given.get("secret") is True, now):
            raise ToolError(asked.name, "keys are being collected already")

    def _dispose(self, asked: ToolCall, given: Mapping[str, Any], now: float) -> None:
        disposition, known = given.get("disposition"), self.call.agent.definition.dispositions
        if disposition not in known:
            raise ToolError(asked.name, f"disposition has to be one of: {', '.join(known)}")
        self.call.stats.disposition = disposition
        self.call.emit(events.Disposition(disposition, str(given.get("note") or "")), now)
        self.call.answer_tool(asked, "noted", now)

    def _hand_on(self, asked: ToolCall, name: str, now: float) -> None:
        known = self.call.agent.definition.update_agent
        if name not in known:
            raise ToolError(asked.name, f"agent has to be one of: {', '.join(known)}")
        self.call.answer_tool(asked, f"{name} goes on with the conversation", now, respond=False)
        self.call.act(UpdateAgent(name))
