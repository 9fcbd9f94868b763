"""Other settings, or another agent, when something comes to pass in a call: each rule of the agent's file once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway import events

if TYPE_CHECKING:
    from gateway.agents import RuleRow
    from gateway.bridge.call.call import Call

TIMER = "rule "


class Rules:
    """One call's, those of the agent that it began with."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._left = dict(enumerate(call.agent.definition.rules))

    def answered(self, now: float) -> None:
        for number, rule in self._left.items():
            if rule.after_seconds is not None:
                self._call.wake(f"{TIMER}{number}", now + rule.after_seconds)

    def expire(self, timer: str, now: float) -> None:
        self._apply(int(timer.removeprefix(TIMER)), now)

    def said(self, text: str, now: float) -> None:
        """By the caller."""
        for number, rule in list(self._left.items()):
            if rule.hears and re.search(rule.hears, text, re.IGNORECASE):
                self._apply(number, now)

    def _apply(self, number: int, now: float) -> None:
        rule: RuleRow | None = self._left.pop(number, None)
        if rule and self._call.talking:
            self._call.emit(events.RuleApplied(number=number + 1), now)
            self._call.update_agent(rule.agent, rule.settings)

    def close(self) -> None:
        for number in self._left:
            self._call.cancel(f"{TIMER}{number}")
