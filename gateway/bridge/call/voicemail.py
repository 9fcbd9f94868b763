"""A caller speaks to a mailbox: a greeting, a beep, the message, and thanks.

OFF --begin--> GREETING --heard, or #--> BEEP --> RECORDING --#, silence, too long--> THANKS --> hung up
                                                      \\--the caller hangs up--> kept, if there is anything to keep
"""

from __future__ import annotations

import enum
from typing import Any, Literal

from gateway import events
from gateway.bridge.call.actions import MessageCommand
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.part import CallPort, Part
from gateway.bridge.places import Mailbox
from gateway.codecs import beep
from gateway.outcomes import Outcome

SPEECH_MS = 100
"""Of a voice, before it counts as something to keep."""

Why = Literal["key", "silence", "length", "moved", "hung_up"]


class Stage(enum.Enum):
    OFF = "off"
    GREETING = "greeting"
    BEEP = "beep"
    RECORDING = "recording"
    THANKS = "thanks"


class Voicemail(Part):
    """One call's. Timers: silence (nothing was heard for so long), length (it is long enough)."""

    name = "voicemail"

    def __init__(self, call: CallPort, announcer: Announcer) -> None:
        super().__init__(call)
        self._announcer = announcer
        self.stage = Stage.OFF
        self._box: Mailbox | None = None
        self._began = self._heard_at = 0.0
        self._heard = False

    def snapshot(self) -> dict[str, Any]:
        known = {"stage": self.stage.value, "box": self._box and self._box.name, "heard": self._heard}
        return known | {"began": self._began, "heard_at": self._heard_at}

    @property
    def active(self) -> bool:
        return self.stage is not Stage.OFF

    def begin(self, box: Mailbox, now: float) -> None:
        self._box, self.stage = box, Stage.GREETING
        self.call.emit(events.VoicemailBegun(box.name), now)
        if box.says:
            self._announcer.say(box.says, now, lambda later, heard: self._beep(later))
        else:
            self._beep(now)

    def press(self, digit: str, now: float) -> None:
        if digit != "#":
            return
        if self.stage is Stage.GREETING and not self._announcer.must_be_heard:
            self._announcer.hush(now)
            self._beep(now)
        elif self.stage is Stage.RECORDING:
            self._end("key", now)

    def _beep(self, now: float) -> None:
        if self.stage is Stage.GREETING:
            self.stage = Stage.BEEP
            self._announcer.play(beep(), now, lambda later, heard: self._record(later))

    def _record(self, now: float) -> None:
        if self.stage is not Stage.BEEP or self._box is None:
            return
        self.stage, self._began, self._heard_at, self._heard = Stage.RECORDING, now, now, False
        self.call.leg.listen_for_speech(SPEECH_MS)
        self.call.act(MessageCommand("start"))
        self.wake("length", now + self._box.max_seconds)
        self.wake("silence", now + self._box.silence_seconds)

    def spoke(self, now: float) -> None:
        """A voice was heard."""
        if self.stage is Stage.RECORDING and self._box:
            self._heard, self._heard_at = True, now
            self.wake("silence", now + self._box.silence_seconds)

    def held(self, on: bool, now: float) -> None:
        """The caller's telephone holds us: its silence says nothing."""
        if self.stage is Stage.RECORDING and self._box:
            if on:
                self.cancel("silence")
            else:
                self.wake("silence", now + self._box.silence_seconds)

    def expire(self, timer: str, now: float) -> None:
        if self.stage is Stage.RECORDING:
            self._end("silence" if timer == "silence" else "length", now)

    def _end(self, why: Why, now: float) -> None:
        self._keep(why, now)
        self.stage = Stage.THANKS
        self.cancel("silence")
        self.cancel("length")

        def leave(later: float, heard: bool) -> None:
            if self.stage is not Stage.THANKS:
                return
            self.call.hang_up(Outcome.VOICEMAIL, later)

        if self._box and self._box.thanks:
            self._announcer.say(self._box.thanks, now, leave)
        else:
            leave(now, True)

    def _keep(self, why: Why, now: float) -> None:
        assert self._box is not None
        self.call.leg.listen_for_speech(None)
        seconds = now - self._began
        kept = self._heard and self._heard_at - self._began >= self._box.least_seconds
        self.call.act(MessageCommand("keep" if kept else "drop", self._box.name, why))
        if not kept:
            self.call.emit(events.VoicemailEmpty(self._box.name, round(seconds, 2), why), now)

    def leave(self, now: float) -> None:
        """The caller goes elsewhere; what was said so far is kept."""
        if self.stage is Stage.RECORDING:
            self._keep("moved", now)
        self.stage = Stage.OFF
        self.cancel("silence")
        self.cancel("length")

    def failed(self, problem: str, now: float) -> None:
        """Nothing can be written."""
        if self.stage is Stage.RECORDING and self._box:
            self.call.emit(events.VoicemailFailed(self._box.name, problem), now)
            self.stage = Stage.THANKS
            self.call.hang_up(Outcome.INTERNAL_ERROR, now, problem=problem)

    def ended(self, now: float) -> None:
        if self.stage is Stage.RECORDING:
            self._keep("hung_up", now)
        self.stage = Stage.OFF
