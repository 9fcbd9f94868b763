"""Keys as tones within the audio: found, and made (ITU-T Q.23, Q.24). int16 at 8 kHz and at 24 kHz.

A frame of 20 ms is compared with the eight frequencies at once: what Goertzel's recursion does for each, by one
product.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

FRAME = 160  # samples at 8 kHz
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)  # Hz
KEYS = "123A456B789C*0#D"

FRAMES_TO_BELIEVE = 2
"""Frames in a row that a key has to last: 40 ms, as Q.24 wants it."""
FRAMES_TO_FORGET = 2

_LEAST_POWER = np.float32(300.0**2)  # mean square of a frame: about -40 dBm0
_LEAST_SHARE = 0.57  # of the frame's power that the two tones hold; 1.5 % off the highest still has 0.42 of its own
_MOST_TWIST = 10.0  # power of one tone over that of the other
_LEAST_LEAD = 6.0  # power of a tone over that of its neighbours

TONE_MS, PAUSE_MS = 100, 80
_LEVEL = 5200  # of 32767, each tone: about -13 dBm0


def _probes() -> NDArray[np.complex64]:
    """[FRAME, 8]: scaled so that the squared product is the power (mean square) of a sine at that frequency."""
    moments = np.arange(FRAME)[:, None] / 8000
    angles = np.asarray(-2 * np.pi * moments * np.array(ROWS + COLUMNS)[None, :], np.complex128)
    return np.asarray(np.exp(angles * 1j) * 2**0.5 / FRAME, np.complex64)


_PROBES = _probes()


def key_in(frame: NDArray[np.int16]) -> str:
    """The key whose tones one frame of 160 samples holds, and little else; empty where it holds none."""
    samples = frame.astype(np.float32)
    power = float(samples @ samples) / FRAME
    if power < _LEAST_POWER:
        return ""
    found = np.abs(samples @ _PROBES) ** 2
    row, column = int(found[:4].argmax()), int(found[4:].argmax())
    low, high = float(found[row]), float(found[4 + column])
    if low + high < _LEAST_SHARE * power or not 1 / _MOST_TWIST < low / max(high, 1e-9) < _MOST_TWIST:
        return ""
    runners_up = np.partition(found[:4], 2)[2], np.partition(found[4:], 2)[2]
    if low < _LEAST_LEAD * runners_up[0] or high < _LEAST_LEAD * runners_up[1]:
        return ""
    return KEYS[4 * row + column]


class KeyDetector:
    """One stream. What looks like a key is to be kept from whoever listens; a key is told once."""

    def __init__(self) -> None:
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._last, self._count, self._told, self._without = "", 0, "", 0

    def push(self, samples: NDArray[np.int16]) -> tuple[str, bool]:
        """Keys that are believed with these samples, and whether they hold tones."""
        if len(self._rest) or len(samples) != FRAME:
            samples = np.concatenate((self._rest, samples))
        used = len(samples) // FRAME * FRAME
        self._rest = samples[used:]
        told = "".join(self._frame(samples[at : at + FRAME]) for at in range(0, used, FRAME))
        return told, self._last != ""

    def _frame(self, frame: NDArray[np.int16]) -> str:
        key = key_in(frame)
        self._count = self._count + 1 if key and key == self._last else 1
        self._last = key
        if not key:
            self._without += 1
            if self._without >= FRAMES_TO_FORGET:
                self._told = ""
            return ""
        self._without = 0
        if self._count < FRAMES_TO_BELIEVE or key == self._told:
            return ""
        self._told = key
        return key


@cache
def tone(key: str, hz: int = 24000) -> NDArray[np.int16]:
    """One key, with its pause, one of 0-9 * # A-D."""
    place = KEYS.index(key)
    moments = np.arange(TONE_MS * hz // 1000) / hz
    sines = [np.sin(2 * np.pi * one * moments) for one in (ROWS[place // 4], COLUMNS[place % 4])]
    return np.concatenate(((_LEVEL * sum(sines)), np.zeros(PAUSE_MS * hz // 1000))).astype(np.int16)
