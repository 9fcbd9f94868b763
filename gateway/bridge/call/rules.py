"""Other settings, or another agent, when something comes to pass in a call: each rule of the agent's file once."""

from __future__ import annotations

import re
from typing import Any

from gateway import events
from gateway.agents import RuleRow
from gateway.bridge.call.actions import UpdateAgent
from gateway.bridge.call.part import CallPort, Part


class Rules(Part):
    """One call's, those of the agent that had it when it was answered. Its timers are the numbers of rules."""

    name = "rules"

    def __init__(self, call: CallPort) -> None:
        super().__init__(call)
        self._left: dict[int, RuleRow] = {}

    def snapshot(self) -> dict[str, Any]:
        return {"left": list(self._left)}

    def answered(self, now: float) -> None:
        self._left = dict(enumerate(self.call.agent.definition.rules))
        for number, rule in self._left.items():
            if rule.after_seconds is not None:
                self.wake(str(number), now + rule.after_seconds)

    def agent_begins(self, now: float) -> None:
        self.answered(now)

    def agent_leaves(self, now: float) -> None:
        for number in self._left:
            self.cancel(str(number))
        self._left = {}

    def expire(self, timer: str, now: float) -> None:
        self._apply(int(timer), now)

    def caller_said(self, text: str, now: float) -> None:
        for number, rule in list(self._left.items()):
            if rule.hears and re.search(rule.hears, text, re.IGNORECASE):
                self._apply(number, now)

    def _apply(self, number: int, now: float) -> None:
        rule = self._left.pop(number, None)
        if rule and self.call.talking:
            self.call.emit(events.RuleApplied(number=number + 1), now)
            self.call.act(UpdateAgent(rule.agent, rule.settings))
