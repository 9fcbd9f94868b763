"""Who speaks when both do: what becomes of the agent's words when the caller is heard.

As `mode` says, they end for good (stop), or pause until it is known whether something was said (resume): a word goes on
to an answer, a cough to where the agent was.

    started --debounce--> give way --stop--> interrupted
                                 \\--resume--> PAUSED --words--> interrupted
                                                    \\--none--> goes on
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway import events

if TYPE_CHECKING:
    from gateway.agents import AgentDefinition, BargeInRules
    from gateway.bridge.call.call import Call

PATIENCE_SECONDS = 3.0
"""From the end of the caller's speech to its transcript; without one nothing was said."""

LONGEST_SECONDS = 15.0
"""From a pause to going on where nothing more is heard of the caller's turn: a provider may forget to tell its end."""

TIMERS = ("debounce", "resume")


def turn_detection(definition: AgentDefinition) -> dict[str, Any]:
    """What the provider is asked for: where the decision is ours, it neither interrupts nor answers by itself."""
    asked = definition.turn_detection.model_dump(exclude_none=True)
    barge_in = definition.barge_in
    if barge_in.mode == "resume":
        return asked | {"interrupt_response": False, "create_response": False}
    return asked | ({"interrupt_response": False} if barge_in.debounce_ms else {})


class BargeIn:
    """One call's. The call passes on what it hears of the caller, and wakes it by its timers."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.paused = False
        self._unanswered = False  # the caller's turn is over, and it waits for its words

    @property
    def _definition(self) -> AgentDefinition:
        """Of the agent who has the call now."""
        return self._call.agent.definition

    @property
    def _settings(self) -> BargeInRules:
        return self._definition.barge_in

    def started(self, now: float, by_provider: bool = True) -> None:
        """The caller is heard, by the provider or by our own detector."""
        call = self._call
        if not self._definition.turn_detection.interrupt_response or call.recording.announcing:
            return
        if self.paused:
            call.cancel("resume")
        elif self._settings.debounce_ms and by_provider and not call.leg.silent:
            call.wake("debounce", now + self._settings.debounce_ms / 1000)
        else:
            self._give_way(now, by_provider)

    def _give_way(self, now: float, by_provider: bool) -> None:
        call = self._call
        if self._settings.mode == "resume" and not call.leg.silent and not call.ending:
            self.paused = True
            call.leg.pause(True)
            call.wake("resume", now + LONGEST_SECONDS)
            call.emit(events.Paused(), now)
        else:
            call.interrupt(now, by_speech=by_provider)

    def stopped(self, now: float) -> None:
        """The caller's turn is over. Where answering is ours to decide, it is decided now or with its words."""
        call = self._call
        call.cancel("debounce")
        if self._settings.mode != "resume" or not self._definition.turn_detection.create_response or not call.talking:
            return
        if self.paused:
            self._unanswered = True
            call.wake("resume", now + PATIENCE_SECONDS)
        else:
            call.session.create_response()

    def words(self, text: str, now: float) -> None:
        """The transcript of the caller's turn: what was said, or nothing."""
        if not self._unanswered and not self.paused:
            return
        if text:
            answer, self._unanswered = self._unanswered, False
            self._call.interrupt(now, by_speech=True)
            if answer:
                self._call.session.create_response()
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
            self.settle()
            self._call.leg.pause(False)
            self._call.emit(events.Resumed(), now)

    def settle(self) -> None:
        """The pause is over; what becomes of the rest is said by whoever ends it."""
        self._call.cancel("resume")
        self.paused = False
