"""How loud a line is, and whether somebody speaks on it: by energy alone, for a few microseconds a frame.

Levels are in dBm0: 0 is the loudest sine that G.711 can hold, less 3.14 dB (ITU-T G.711).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .sound import Sound

SILENT = -90.0  # dBm0: what is below this is not told apart
LEAST_SPEECH = -38.0  # dBm0: whatever the noise, nothing below is taken for speech
OVER_NOISE = 12.0  # dB by which speech stands out
_FALL, _RISE = 0.3, 0.02  # share of the difference by which the estimate of the noise follows, a frame of 20 ms

_FULL_SCALE_SINE = 32124.0**2 / 2 / 10 ** (3.14 / 10)  # mean square at 0 dBm0


def level(samples: NDArray[np.int16]) -> float:
    """Of int16 of any length, in dBm0."""
    wide = samples.astype(np.float32)
    power = float(wide @ wide) / max(1, len(wide))
    return max(SILENT, 10 * math.log10(max(power, 1e-3) / _FULL_SCALE_SINE))


def levels(sounds: Sequence[tuple[Sound, bytes]]) -> list[int]:
    """Of many pieces of sound at once, in whole dBm0; of an empty one SILENT. Cheaper than one by one."""
    found = [round(SILENT)] * len(sounds)
    alike: dict[tuple[Sound, int], list[int]] = {}
    for place, (sound, piece) in enumerate(sounds):
        if piece:
            alike.setdefault((sound, len(piece)), []).append(place)
    for (sound, _), places in alike.items():
        wide = sound.linear(b"".join(sounds[place][1] for place in places)).astype(np.float32)
        rows = wide.reshape(len(places), -1)
        power = (rows**2).mean(axis=1)
        loud = (10 * np.log10(power.clip(1e-3, np.inf) / _FULL_SCALE_SINE)).clip(SILENT, 99.0)
        for place, one in zip(places, loud.round().astype(int).tolist(), strict=True):
            found[place] = one
    return found


class SpeechDetector:
    """One stream: `push` every frame. It speaks once the level has stood out of the noise for `after_ms`.

    A frame that does not stand out takes back two that did, so that clicks do not add up.
    """

    def __init__(self, after_ms: int) -> None:
        self._after = after_ms
        self._noise = -60.0  # dBm0
        self._stood_out = 0.0  # ms

    def push(self, samples: NDArray[np.int16], ms: float = 20.0) -> bool:
        """True with the frame with which speech begins to be believed, and with those that follow."""
        now = level(samples)
        if now > max(LEAST_SPEECH, self._noise + OVER_NOISE):
            self._stood_out = min(self._stood_out + ms, self._after + 4 * ms)
        else:
            self._stood_out = max(0.0, self._stood_out - 2 * ms)
        self._noise += (now - self._noise) * (_FALL if now < self._noise else _RISE)
        return self._stood_out >= self._after

    def reset(self) -> None:
        """What was heard so far says nothing about what comes; the noise stays known."""
        self._stood_out = 0.0
