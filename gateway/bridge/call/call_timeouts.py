"""How long a call waits for a caller who says nothing, and how long it may last."""

from __future__ import annotations

from typing import Any

from gateway import events
from gateway.agents import expand
from gateway.bridge.call.hold_state import HoldState
from gateway.bridge.call.part import LAST_WORD_SECONDS, CallPort, Part
from gateway.bridge.call.tool_use import ToolUse
from gateway.call_record import CallState
from gateway.outcomes import Outcome

GOODBYE_SECONDS = 15.0
"""Longest time for saying goodbye."""


class CallTimeouts(Part):
    """One call's, by its agent's `no_input` and `max_seconds`.

    Timers: no_input (the caller says nothing), limit (the call lasts too long), leave (goodbye was said).
    """

    name = "timeouts"

    def __init__(self, call: CallPort, hold: HoldState, tools: ToolUse) -> None:
        super().__init__(call)
        self._hold, self._tools = hold, tools
        self._asked = 0  # times since the caller was last heard
        self._outcome: Outcome | None = None  # why the call is being ended

    def snapshot(self) -> dict[str, Any]:
        return {"asked": self._asked, "outcome": self._outcome and self._outcome.value}

    def answered(self, now: float) -> None:
        if longest := self.call.agent.definition.max_seconds:
            self.wake("limit", now + longest)
        self._wait(now)

    def agent_begins(self, now: float) -> None:
        self.answered(now)

    def agent_leaves(self, now: float) -> None:
        self._asked, self._outcome = 0, None
        for timer in ("no_input", "limit", "leave"):
            self.cancel(timer)

    def playout_drained(self, now: float) -> None:
        if self._outcome is None:
            self._wait(now)
        elif not self.call.session.busy:
            self.wake("leave", now + LAST_WORD_SECONDS)

    def caller_active(self, now: float) -> None:
        self._asked = 0
        self.cancel("no_input")
        if self._outcome is Outcome.NO_INPUT:
            self._outcome = None
            self.cancel("leave")

    def speech_stopped(self, now: float) -> None:
        """An answer should follow, but need not."""
        self._wait(now)

    def _wait(self, now: float) -> None:
        if seconds := self.call.agent.definition.no_input.seconds:
            self.wake("no_input", now + seconds)

    def expire(self, timer: str, now: float) -> None:
        call, longest = self.call, self.call.agent.definition.max_seconds
        if timer == "leave" and self._outcome:
            call.hang_up(self._outcome, now)
        elif timer == "no_input":
            self._no_input(now)
        elif timer == "limit" and longest and call.state is not CallState.BRIDGED:  # with somebody else by then
            call.emit(events.MaxDurationReached(longest), now)
            self._leave(Outcome.MAX_DURATION, call.agent.definition.max_seconds_says, now)

    def _no_input(self, now: float) -> None:
        call, rules = self.call, self.call.agent.definition.no_input
        someone_speaks = not call.leg.silent or call.session.busy
        if not call.talking or someone_speaks or self._tools.busy or self._hold.music:
            self._wait(now)
            return
        self._asked += 1
        call.emit(events.NoInput(self._asked), now)
        if self._asked <= rules.times:
            call.session.say(expand(rules.says, call.variables))
            self._wait(now)
        else:
            self._leave(Outcome.NO_INPUT, rules.goodbye, now)

    def _leave(self, outcome: Outcome, words: str, now: float) -> None:
        self._outcome = outcome
        if words and self.call.talking:
            self.wake("leave", now + GOODBYE_SECONDS)
            self.call.session.say(expand(words, self.call.variables))
        else:
            self.call.hang_up(outcome, now)
