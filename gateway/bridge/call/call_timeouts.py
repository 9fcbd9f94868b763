"""How long a call waits for a caller who says nothing, and how long it may last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway import events
from gateway.agents import expand
from gateway.bridge.call.transfer import LAST_WORD_SECONDS
from gateway.call_record import CallState
from gateway.outcomes import Outcome

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call

TIMERS = ("no_input", "limit", "leave")

GOODBYE_SECONDS = 15.0
"""Longest time for saying goodbye."""


class CallTimeouts:
    """One call's, by its agent's `no_input` and `max_seconds`."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._asked = 0  # times since the caller was last heard
        self._outcome: Outcome | None = None  # why the call is being ended

    def answered(self, now: float) -> None:
        if longest := self._call.agent.definition.max_seconds:
            self._call.wake("limit", now + longest)
        self._wait(now)

    def heard(self, now: float) -> None:
        """All that was said has left for the caller."""
        if not self._outcome:
            self._wait(now)
        elif not self._call.session.busy:
            self._call.wake("leave", now + LAST_WORD_SECONDS)

    def spoke(self) -> None:
        """The caller is there: speech, or a key."""
        self._asked = 0
        self._call.tools.caller_spoke()
        self._call.cancel("no_input")
        if self._outcome == Outcome.NO_INPUT:
            self._outcome = None
            self._call.cancel("leave")

    def stopped(self, now: float) -> None:
        """The caller's turn is over; an answer should follow, but need not."""
        self._wait(now)

    def _wait(self, now: float) -> None:
        if seconds := self._call.agent.definition.no_input.seconds:
            self._call.wake("no_input", now + seconds)

    def expire(self, timer: str, now: float) -> None:
        call, rules = self._call, self._call.agent.definition.no_input
        if timer == "leave" and self._outcome:
            call.hang_up(self._outcome, now)
        elif timer == "limit" and call.state is CallState.BRIDGED:
            return  # the caller talks with somebody else by now
        elif timer == "limit":
            call.emit(events.MaxDurationReached(seconds=call.agent.definition.max_seconds), now)
            self._leave(Outcome.MAX_DURATION, call.agent.definition.max_seconds_says, now)
        elif not call.talking or not call.leg.silent or call.session.busy or call.tools.busy or call.leg.holding:
            self._wait(now)
        elif self._asked < rules.times:
            self._asked += 1
            call.emit(events.NoInput(times=self._asked), now)
            call.session.create_response(f"Say exactly: {expand(rules.says, call.variables)}")
            self._wait(now)
        else:
            call.emit(events.NoInput(times=self._asked + 1), now)
            self._leave(Outcome.NO_INPUT, rules.goodbye, now)

    def _leave(self, outcome: Outcome, words: str, now: float) -> None:
        self._outcome = outcome
        if words and self._call.talking:
            self._call.wake("leave", now + GOODBYE_SECONDS)
            self._call.session.create_response(f"Say exactly: {expand(words, self._call.variables)}")
        else:
            self._call.hang_up(outcome, now)
