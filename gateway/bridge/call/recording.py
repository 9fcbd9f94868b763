"""Whether a call is recorded: begun by the agent's file, a tool or the API, announced first where that is wanted.

OFF --start, announced--> ANNOUNCING --heard--> ON <--pause, resume--> PAUSED --stop, or a failure--> OFF
"""

from __future__ import annotations

import enum
from typing import Any

from gateway import events
from gateway.agents import RecordingRules
from gateway.bridge.call.actions import RecordingCommand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.part import CallPort, Part


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

    def __init__(self, call: CallPort, announcer: Announcer) -> None:
        super().__init__(call)
        self._announcer = announcer
        self.state = State.OFF
        self._greet = False

    def snapshot(self) -> dict[str, Any]:
        return {"state": self.state.value, "greet": self._greet}

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
            self.state = State.ANNOUNCING
            self._announcer.say(self._settings.announcement, now, self._announced)
            return ""
        began, self.state = self.state, after
        if began is not State.ANNOUNCING:
            self.call.act(RecordingCommand(what))
        return ""

    def _announced(self, now: float, heard: bool) -> None:
        """The caller has heard it; where there was no sound of it nothing is recorded."""
        if not self.announcing:  # it was stopped meanwhile
            return
        if heard:
            self.state = State.ON
            self.call.act(RecordingCommand("start"))
        else:
            self.failed("the announcement could not be said: there is no sound of it", now)
        if self._greet:
            self._greet = False
            self.call.greet(now)

    def failed(self, problem: str, now: float) -> None:
        if self.state is not State.OFF:
            self.state = State.OFF
            self.call.act(RecordingCommand("stop"))
            self.call.emit(events.RecordingFailed(problem=problem), now)

    def agent_leaves(self, now: float) -> None:
        self._greet = False
        self.ended(now)

    def ended(self, now: float) -> None:
        if self.state in (State.ON, State.PAUSED):
            self.call.act(RecordingCommand("stop"))
        self.state = State.OFF
