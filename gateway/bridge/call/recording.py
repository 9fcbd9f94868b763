"""Whether a call is recorded: begun by the agent's file, a tool or the API, announced first where that is wanted.

OFF --start, announced--> ANNOUNCING --heard--> ON <--pause, resume--> PAUSED --stop, or a failure--> OFF
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import events
from gateway.agents import RecordingRules, expand

if TYPE_CHECKING:
    from gateway.bridge.call.call import Call


class State(enum.Enum):
    OFF = "off"
    ANNOUNCING = "announcing"
    ON = "on"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class RecordingCommand:
    """start, pause, resume or stop, to be done by whoever has the audio."""

    what: str


ACTIONS = {
    (State.OFF, "start"): State.ON,
    (State.ON, "pause"): State.PAUSED,
    (State.PAUSED, "resume"): State.ON,
    (State.ON, "stop"): State.OFF,
    (State.PAUSED, "stop"): State.OFF,
    (State.ANNOUNCING, "stop"): State.OFF,
}
"""What may be asked for when; the announcement stands between OFF and ON."""


class Recording:
    """One call's."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.state = State.OFF
        self._greet = False
        self._said = False  # the announcement was asked for; before that it waits until nobody speaks

    @property
    def _settings(self) -> RecordingRules:
        """Of the agent who has the call now."""
        return self._call.agent.definition.recording

    @property
    def announcing(self) -> bool:
        """What is said now has to be heard."""
        return self.state is State.ANNOUNCING

    def answered(self, now: float) -> bool:
        """The call begins; True where the greeting waits for the announcement."""
        if self._settings.start != "answer":
            return False
        self.ask("start", now)
        self._greet = self.announcing
        return self.announcing

    def ask(self, what: str, now: float) -> str:
        """What keeps it from being done; empty when it is."""
        after = ACTIONS.get((self.state, what))
        if not self._call.talking or after is None:
            return f"the recording is {self.state.value}: it cannot be told to {what}"
        if what == "start" and self._settings.announcement:
            self.state, self._said = State.ANNOUNCING, False
            self.heard(now)
            return ""
        began, self.state = self.state, after
        if began is not State.ANNOUNCING:
            self._call.act(RecordingCommand(what))
        return ""

    def heard(self, now: float) -> None:
        """All that was said has left for the caller, or a response has ended that said nothing."""
        call = self._call
        if not self.announcing or call.session.busy or not call.leg.silent:
            return
        if not self._said:
            self._said = True
            words = expand(self._settings.announcement, call.info.variables(call.agent.name))
            call.session.create_response(f"Say exactly: {words}")
            return
        self.state = State.ON
        self._call.act(RecordingCommand("start"))
        if self._greet:
            self._greet = False
            self._call.setup.greet(now)

    def response_done(self, status: str, now: float) -> None:
        """Where the announcement could not be said nothing is recorded."""
        if self.announcing and self._said and status != "completed":
            self.failed(f"the announcement was not said: the response was {status}", now)
            if self._greet:
                self._greet = False
                self._call.setup.greet(now)
        self.heard(now)

    def failed(self, problem: str, now: float) -> None:
        if self.state is not State.OFF:
            self.state = State.OFF
            self._call.act(RecordingCommand("stop"))
            self._call.emit(events.RecordingFailed(problem=problem), now)

    def close(self) -> None:
        """The call is over."""
        if self.state in (State.ON, State.PAUSED):
            self._call.act(RecordingCommand("stop"))
        self.state = State.OFF
