"""Whose turn it is on the telephone: to speak, to press keys, to hang up. Values and times alone."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Protocol

from gateway.local.mouth import mouth
from gateway.phone.errand import HZ, PhoneCall, length_of
from gateway.phone.words import Say

SPEED = 0.85  # of the voice: as clear as people are on a telephone
PAUSE_SECONDS = 1.0
"""Silence of the agent after which it is our turn, and, when all is said, time to hang up."""

PATIENCE_SECONDS = 10.0
"""Longest wait for the agent to say anything."""

AFTER_TRANSFER_SECONDS = 3.0
"""And for whoever took the call over, who may not speak."""


class Hands(Protocol):
    """Who does it: a telephone."""

    @property
    def say(self) -> Say: ...
    def speak(self, path: Path) -> None:
        """Play a WAV into the call."""

    def hand_over(self, text: str) -> bool:
        """Give the agent what we would say as text, where it cannot hear; else False."""

    def press(self, keys: str) -> None: ...
    def pause(self) -> None:
        """The agent is silent: what it has said is a whole."""


class Turns:
    """One errand. `words` are WAVs to speak, in their order."""

    def __init__(self, errand: PhoneCall, hands: Hands, words: list[Path]) -> None:
        self._errand, self._hands, self._words = errand, hands, words
        self._texts = list(errand.say)  # of the first of them
        self._keys = errand.dtmf
        self._heard_agent = False
        self._quiet_since = 0.0
        self.answered_at: float | None = None

    def media_ready(self, now: float) -> None:
        """The call is answered, or its media are other ones now."""
        self._quiet_since = now
        if self.answered_at is None:
            self.answered_at = now

    def transferred(self, now: float) -> None:
        """Somebody else takes the call over."""
        self._heard_agent, self._quiet_since = False, now

    def step(self, now: float, loud: bool, calls: int) -> bool:
        """Speak, press keys, or, when that is done and the agent has answered, be done (True).

        `loud`: something is heard now; `calls`: how many there were, transfers included.
        """
        if self.answered_at is None:
            return False
        errand = self._errand
        if errand.talk:
            if loud:
                self._quiet_since = now
            elif now - self._quiet_since > PAUSE_SECONDS / 2:
                self._hands.pause()
            return False
        if errand.after is not None and self._words and len(self._words) == len(errand.say):
            if now - self.answered_at >= errand.after:
                self._speak(now)
            return False
        if now < self._quiet_since:  # it is us who speak
            return False
        if loud:
            self._heard_agent, self._quiet_since = True, now
            return False
        if now - self._quiet_since > PAUSE_SECONDS / 2:
            self._hands.pause()
        if now - self._quiet_since < (PAUSE_SECONDS if self._heard_agent else PATIENCE_SECONDS):
            return False
        if self._words:
            self._speak(now)
        elif self._keys:
            self._hands.say(f"pressing {self._keys}")
            self._hands.press(self._keys)
            self._quiet_since, self._keys, self._heard_agent = now, "", False
        else:
            patience = AFTER_TRANSFER_SECONDS if calls > 1 else PATIENCE_SECONDS
            return self._heard_agent or now - self._quiet_since > patience
        return False

    def _speak(self, now: float) -> None:
        path = self._words.pop(0)
        text = self._texts.pop(0) if self._texts else ""
        if text and self._hands.hand_over(text):
            self._hands.say(f"handed over as text, as the gateway hears no words: {text}")
            self._quiet_since, self._heard_agent = now, False
            return
        length = length_of(path)
        self._hands.say(f"speaking for {length:.1f} s")
        self._hands.speak(path)
        self._quiet_since, self._heard_agent = now + length, False


def spoken(errand: PhoneCall, folder: Path) -> list[Path]:
    """What is to be said, as WAVs."""
    found = []
    for number, text in enumerate(errand.say):
        path = folder / f"say{number}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(HZ)
            file.writeframes(mouth().speak(text, speed=SPEED, hz=HZ).tobytes())
        found.append(path)
    return [*found, errand.wav] if errand.wav else found
