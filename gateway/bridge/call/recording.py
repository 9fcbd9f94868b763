"""Whether a call is recorded: begun by the agent's file, a tool or the API, announced first where that is wanted.

OFF --start, announced--> ANNOUNCING --heard--> ON <--pause, resume--> PAUSED --stop, or a failure--> OFF
                               \\--heard, and consent is wanted--> ASKING --yes--> ON
                                       ^---- nothing, or neither ----/  \\--no--> OFF
"""

from __future__ import annotations

import enum
import hashlib
from typing import Any, Literal

from gateway import events
from gateway.agents import RecordingRules
from gateway.bridge.call.actions import AnswerTurns, RecordingCommand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.consent import answer_in
from gateway.bridge.call.part import CallPort, Part
from gateway.outcomes import Outcome


class State(enum.Enum):
    OFF = "off"
    ANNOUNCING = "announcing"
    ASKING = "asking"
    ON = "on"
    PAUSED = "paused"


ACTIONS: dict[tuple[State, str], State] = {
    (State.OFF, "start"): State.ON,
    (State.ON, "pause"): State.PAUSED,
    (State.PAUSED, "resume"): State.ON,
    (State.ON, "stop"): State.OFF,
    (State.PAUSED, "stop"): State.OFF,
    (State.ANNOUNCING, "stop"): State.OFF,
    (State.ASKING, "stop"): State.OFF,
}
"""What may be asked for when; the announcement stands between OFF and ON."""

TURN_SECONDS = 0.5
"""From a consent to an agent that answers again: its provider may still be about to answer the turn that held it."""

By = Literal["key", "word", "silence"]


class Recording(Part):
    """One call's. Timers: answer (nothing was said or pressed), turns (the agent answers again)."""

    name = "recording"

    def __init__(self, call: CallPort, announcer: Announcer) -> None:
        super().__init__(call)
        self._announcer = announcer
        self.state = State.OFF
        self._greet = False
        self._tries = 0
        self._key = ""  # that was pressed while it was announced
        self._text = ""  # what was asked, word for word

    def snapshot(self) -> dict[str, Any]:
        return {"state": self.state.value, "greet": self._greet, "tries": self._tries, "key": self._key}

    @property
    def _settings(self) -> RecordingRules:
        """Of the agent who has the call now."""
        return self.call.agent.definition.recording

    @property
    def announcing(self) -> bool:
        """What is said now has to be heard, or answered, before the agent has the word."""
        return self.state in (State.ANNOUNCING, State.ASKING)

    @property
    def takes_keys(self) -> bool:
        return self.announcing and self._settings.consent is not None

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
        answer = self.call.stats.consent.get("answer")
        if what == "start" and answer in ("no", "none"):
            return "the caller did not agree to be recorded"
        if what == "start" and self._settings.announcement and answer is None:
            self._tries, self._key = 0, ""
            if self._settings.consent:
                self.call.act(AnswerTurns(False))
            self._announce(now)
            return ""
        began, self.state = self.state, after
        self.cancel("answer")
        if began not in (State.ANNOUNCING, State.ASKING):
            self.call.act(RecordingCommand(what))
        elif self._greet:  # it was stopped before it began
            self._go_on(now)
        return ""

    def _announce(self, now: float) -> None:
        self.state = State.ANNOUNCING
        self._tries += 1
        self._announcer.say(self._settings.announcement, now, self._announced)

    def _announced(self, now: float, heard: bool) -> None:
        """The caller has heard it; where there was no sound of it nothing is recorded."""
        if self.state is not State.ANNOUNCING:  # it was stopped meanwhile
            return
        if not heard:
            self.failed("the announcement could not be said: there is no sound of it", now)
            self._go_on(now)
        elif consent := self._settings.consent:
            self._text = self._announcer.latest
            self.state = State.ASKING
            self.wake("answer", now + consent.seconds)
            if key := self._key:
                self._key = ""
                self.press(key, now)
        else:
            self._start(now)
            self._go_on(now)

    def _start(self, now: float) -> None:
        self.state = State.ON
        self.call.act(RecordingCommand("start"))

    # consent

    def press(self, digit: str, now: float) -> None:
        """A key, while `takes_keys`."""
        consent = self._settings.consent
        if self.state is State.ANNOUNCING:
            self._key = digit
        elif consent and digit in consent.yes_keys + consent.no_keys:
            self._answered("yes" if digit in consent.yes_keys else "no", "key", digit, now)

    def caller_said(self, text: str, now: float) -> None:
        consent = self._settings.consent
        if self.state is State.ASKING and consent and (answer := answer_in(text, consent)):
            self._answered(answer, "word", text, now)

    def expire(self, timer: str, now: float) -> None:
        consent = self._settings.consent
        if timer == "turns":
            self.call.act(AnswerTurns(True))
        if timer == "turns" or self.state is not State.ASKING or consent is None:
            return
        if self._tries < consent.tries:
            self._announce(now)
        else:
            self._answered("none", "silence", "", now)

    def _answered(self, answer: Literal["yes", "no", "none"], by: By, said: str, now: float) -> None:
        consent = self._settings.consent
        assert consent is not None
        self.cancel("answer")
        text = self._text
        version = consent.version or hashlib.sha256(text.encode()).hexdigest()[:8]
        found = events.Consent(answer, by, said[:200], text, version)
        self.call.stats.consent = {**found.data(), "at": self.call.epoch_of(now)}
        self.call.emit(found, now)
        self.call.interrupt(now, by_speech=False)  # where the model has answered all the same, it is for nobody
        if answer == "yes":
            self._start(now)
            self._announcer.tell("[CONSENT] The caller agrees to be recorded.", "system")
        else:
            self.state = State.OFF
            self._announcer.tell("[CONSENT] The caller is not recorded: they did not agree.", "system")
        if answer != "yes" and consent.without == "hang_up":
            self._leave(now)
        else:
            self._go_on(now)

    def _leave(self, now: float) -> None:
        consent = self._settings.consent

        def leave(later: float, heard: bool) -> None:
            self.call.hang_up(Outcome.CONSENT_REFUSED, later)

        if consent and consent.refused:
            self._announcer.say(consent.refused, now, leave)
        else:
            leave(now, True)

    def _go_on(self, now: float) -> None:
        """The agent has the word."""
        if self._settings.consent:  # to the turn that was the answer itself nothing is said
            self.wake("turns", now + TURN_SECONDS)
        if self._greet:
            self._greet = False
            self.call.greet(now)
        elif self._settings.consent:
            self.call.session.create_response()

    # the end

    def failed(self, problem: str, now: float) -> None:
        if self.state is not State.OFF:
            self.state = State.OFF
            self.call.act(RecordingCommand("stop"))
            self.call.emit(events.RecordingFailed(problem=problem), now)

    def agent_leaves(self, now: float) -> None:
        self._greet = False
        self.cancel("answer")
        self.cancel("turns")
        self.ended(now)

    def ended(self, now: float) -> None:
        if self.state in (State.ON, State.PAUSED):
            self.call.act(RecordingCommand("stop"))
        self.state = State.OFF
