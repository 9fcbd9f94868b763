"""Who speaks when both do: what becomes of the agent's words when the caller is heard.

As `mode` says, they end for good (stop), or pause until it is known whether something was said (resume): a word goes on
to an answer, a cough to where the agent was.

    started --debounce--> give way --stop--> interrupted
                                 \\--resume--> PAUSED --words--> interrupted
                                                    \\--none--> goes on
"""

from __future__ import annotations

from typing import Any

from gateway import events
from gateway.agents import AgentDefinition, BargeInRules
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.part import CallPort, Part
from gateway.bridge.call.tool_use import ToolUse

TRANSCRIPT_SECONDS = 3.0
"""From the end of the caller's speech to its transcript; without one nothing was said."""

LONGEST_SECONDS = 15.0
"""From a pause to going on where nothing more is heard of the caller's turn: a provider may forget to tell its end."""


def turn_detection(definition: AgentDefinition) -> dict[str, Any]:
    """What the provider is asked for: where the decision is ours, it neither interrupts nor answers by itself."""
    asked = definition.turn_detection.model_dump(exclude_none=True)
    barge_in = definition.barge_in
    if barge_in.mode == "resume":
        return asked | {"interrupt_response": False, "create_response": False}
    return asked | ({"interrupt_response": False} if barge_in.debounce_ms else {})


class BargeIn(Part):
    """One call's."""

    name = "barge_in"

    def __init__(self, call: CallPort, announcer: Announcer, tools: ToolUse) -> None:
        super().__init__(call)
        self._announcer, self._tools = announcer, tools
        self.paused = False
        self._unanswered = False  # the caller's turn is over, and it waits for its words

    def snapshot(self) -> dict[str, Any]:
        return {"paused": self.paused, "unanswered": self._unanswered}

    @property
    def _definition(self) -> AgentDefinition:
        """Of the agent who has the call now."""
        return self.call.agent.definition

    @property
    def _settings(self) -> BargeInRules:
        return self._definition.barge_in

    def speech_started(self, now: float) -> None:
        self._started(now, by_provider=True)

    def speech_heard(self, now: float) -> None:
        self._started(now, by_provider=False)

    def _started(self, now: float, by_provider: bool) -> None:
        if not self._definition.turn_detection.interrupt_response or self._announcer.must_be_heard:
            return
        if self.paused:
            self.cancel("resume")
        elif self._settings.debounce_ms and by_provider and not self.call.leg.silent:
            self.wake("debounce", now + self._settings.debounce_ms / 1000)
        else:
            self._give_way(now, by_provider)

    def _give_way(self, now: float, by_provider: bool) -> None:
        call = self.call
        if self._settings.mode == "resume" and not call.leg.silent and not self._tools.announcing:
            self.paused = True
            call.leg.pause(True)
            self.wake("resume", now + LONGEST_SECONDS)
            call.emit(events.Paused(), now)
        else:
            call.interrupt(now, by_speech=by_provider)

    def speech_stopped(self, now: float) -> None:
        """Where answering is ours to decide, it is decided now or with the caller's words."""
        self.cancel("debounce")
        wanted = self._settings.mode == "resume" and self._definition.turn_detection.create_response
        if not wanted or not self.call.talking or self._tools.asking:
            return
        if self.paused:
            self._unanswered = True
            self.wake("resume", now + TRANSCRIPT_SECONDS)
        else:
            self.call.session.create_response()

    def caller_said(self, text: str, now: float) -> None:
        if not self._unanswered and not self.paused:
            return
        if text:
            answer, self._unanswered = self._unanswered, False
            self.call.interrupt(now, by_speech=True)
            if answer:
                self.call.session.create_response()
        elif self._unanswered:
            self._go_on(now)

    def expire(self, timer: str, now: float) -> None:
        if timer == "debounce":
            self._give_way(now, by_provider=True)
        else:
            self._go_on(now, keep=True)

    def _go_on(self, now: float, keep: bool = False) -> None:
        """Nothing was said. With `keep` its words may still come."""
        self._unanswered = keep
        if self.paused:
            self._settle()
            self.call.leg.pause(False)
            self.call.emit(events.Resumed(), now)

    def agent_leaves(self, now: float) -> None:
        self.cancel("debounce")
        self._unanswered = False

    def interrupted(self, now: float) -> None:
        self._settle()

    def _settle(self) -> None:
        """End the pause; the caller of this method resumes or drops the queued audio."""
        self.cancel("resume")
        self.paused = False
