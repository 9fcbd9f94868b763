"""The tools that the agent uses in one call, and what it announces before it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.bridge.tools import RunTool, arguments_of, digits_of, failure
from gateway.bridge.transfer import LAST_WORD_SECONDS, transfer_asked
from gateway.errors import ToolError
from gateway.realtime import ToolCall

if TYPE_CHECKING:
    from gateway.bridge.call import Call

ANNOUNCEMENT_SECONDS = 60.0
"""Longest wait for an announcement; only a call that is on hold takes so long."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What is done once the words before it have been heard."""

    tool_call: ToolCall
    act: Callable[[float], None]
    survives_speech: bool  # a caller who speaks up stops a hang-up, but not a transfer


class ToolUse:
    """One call's. Functions of the agent's run elsewhere (`RunTool`), the built-in ones are done here."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._announced: Announced | None = None

    @property
    def announcing(self) -> bool:
        """What is being said comes before a transfer or the end."""
        return self._announced is not None

    def use(self, asked: ToolCall, now: float) -> None:
        call, definition = self._call, self._call.agent.definition
        call.tally.tool_calls += 1
        call.emit("tool_call", now, name=asked.name, arguments=asked.arguments)
        tool = call.agent.tools.get(asked.name)
        try:
            if asked.name not in definition.tools:
                known = ", ".join(definition.tools)
                raise ToolError(asked.name, f"there is no such tool; these are: {known}")
            if tool:
                call.act(RunTool(tool, asked.call_id, asked.arguments))
            elif asked.name == "recording":
                self._record(asked, now)
            elif asked.name == "send_digits":
                self._send_digits(asked, now)
            elif asked.name == "hang_up":
                self._announce(Announced(asked, partial(call.hang_up, "agent_hung_up"), survives_speech=False), now)
            else:
                transfer = transfer_asked(call, asked, call.variables)
                self._announce(Announced(asked, partial(call.begin_transfer, transfer), survives_speech=True), now)
        except ToolError as error:
            self.answer(asked, failure(error.problem), now)

    def done(self, call_id: str, name: str, output: str, now: float) -> None:
        """A function that ran elsewhere has ended."""
        self.answer(ToolCall(call_id, name, ""), output, now)

    def answer(self, asked: ToolCall, output: str, now: float, respond: bool = True) -> None:
        if not self._call.ended:
            self._call.emit("tool_output", now, name=asked.name, output=output)
            self._call.session.tool_output(asked.call_id, output, respond)

    # what is announced

    def _announce(self, announced: Announced, now: float) -> None:
        """Do it when the words that came with it have been heard, not when they were received."""
        call = self._call
        if self._announced or call.transfer or call.following:
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
        self._call.emit("dtmf_sent", now, digits=digits)
        self.answer(asked, "sent", now)

    def _record(self, asked: ToolCall, now: float) -> None:
        recording = self._call.recording
        problem = recording.ask(str(arguments_of(asked.name, asked.arguments).get("action")), now)
        self.answer(asked, failure(problem) if problem else "done", now, respond=not recording.announcing)
