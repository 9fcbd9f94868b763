"""Whether a call is recorded: begun by the agent's file, a tool or the API, announced first where that is wanted.

OFF --start, announced--> ANNOUNCING --heard--> ON <--pause, resume--> PAUSED --stop, or a failure--> OFF
"""

from __future__ import annotations

import enum
from typing import Any

from gateway import events
from gateway.agents import RecordingRules, expand
from gateway.bridge.call.actions import RecordingCommand
from gateway.bridge.call.part import CallPort, Part
from gateway.realtime import ResponseDone


class State(enum.Enum):
    OFF = "off"
    ANNOUNCING = "announcing"
    ON = "on"
    PAUSED = "paused"


ACTIONS: dict[tuple[State, str], State] = {
    (State.OFF, "start"): State.ON,
    (State.ON, "pause"): State.PAUSED,
    (State.PAUSED, "resume"): State.ON,
    (State.ON, "stop"): State.OFF,
    (State.PAUSED, "stop"): State.OFF,
    (State.ANNOUNCING, "stop"): State.OFF,
}
"""What may be asked for when; the announcement stands between OFF and ON."""


class Recording(Part):
    """One call's."""

    name = "recording"

    def __init__(self, call: CallPort) -> None:
        super().__init__(call)
        self.state = State.OFF
        self._greet = False
        self._said = False  # the announcement was asked for; before that it waits until nobody speaks

    def snapshot(self) -> dict[str, Any]:
        return {"state": self.state.value, "greet": self._greet, "said": self._said}

    @property
    def _settings(self) -> RecordingRules:
        """Of the agent who has the call now."""
        return self.call.agent.definition.recording

    @property
    def announcing(self) -> bool:
        """What is said now has to be heard."""
        return self.state is State.ANNOUNCING

    def begin(self, now: float) -> bool:
        """Caller and agent are ready; True where the greeting waits for the announcement."""
        if self._settings.start != "answer":
            return False
        self.ask("start", now)
        self._greet = self.announcing
        return self.announcing

    def ask(self, what: str, now: float) -> str:
        """What keeps it from being done; empty when it is."""
        after = ACTIONS.get((self.state, what))
        if not self.call.talking or after is None:
            return f"the recording is {self.state.value}: it cannot be told to {what}"
        if what == "start" and self._settings.announcement:
            self.state, self._said = State.ANNOUNCING, False
            self._go_on(now)
            return ""
        began, self.state = self.state, after
        if began is not State.ANNOUNCING:
            self.call.act(RecordingCommand(what))
        return ""

    def playout_drained(self, now: float) -> None:
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        """All that was said has left for the caller, or a response has ended that said nothing."""
        call = self.call
        if not self.announcing or call.session.busy or not call.leg.silent:
            return
        if not self._said:
            self._said = True
            call.session.say(expand(self._settings.announcement, call.variables))
            return
        self.state = State.ON
        self.call.act(RecordingCommand("start"))
        if self._greet:
            self._greet = False
            self.call.greet(now)

    def response_done(self, event: ResponseDone, now: float) -> None:
        """Where the announcement could not be said nothing is recorded."""
        if self.announcing and self._said and event.status != "completed":
            self.failed(f"the announcement was not said: the response was {event.status}", now)
            if self._greet:
                self._greet = False
                self.call.greet(now)
        self._go_on(now)

    def failed(self, problem: str, now: float) -> None:
        if self.state is not State.OFF:
            self.state = State.OFF
            self.call.act(RecordingCommand("stop"))
            self.call.emit(events.RecordingFailed(problem=problem), now)

    def ended(self, now: float) -> None:
        if self.state in (State.ON, State.PAUSED):
            self.call.act(RecordingCommand("stop"))
        self.state = State.OFF
