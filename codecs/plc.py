"""Concealment of lost packets for G.711: the last pitch period goes on, and fades (after ITU-T G.711 appendix I).

Unlike there nothing is held back: the appendix delays all speech by 3.75 ms so that it can overlap the beginning of a
loss; here only the end of one is overlapped. int16 at 8 kHz, of which the lengths below are samples, or at a multiple.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

HZ = 8000
SHORTEST, LONGEST = 40, 120
"""Samples of a pitch period: 200 to 66 Hz."""
TEMPLATE = 160
"""Samples at the end of what was heard that are looked for one period before."""
FULL, FADED = 80, 480
"""Samples of a loss that are played at full level, and after which there is silence: 10 and 60 ms."""
OVERLAP = 32
"""Samples at the end of a loss in which what comes replaces what was made up: 4 ms."""

_HISTORY = TEMPLATE + LONGEST  # 35 ms


@cache
def _curves(scale: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How a loss fades, and how what comes after it rises."""
    places = np.arange(FADED * scale, dtype=np.float32) / np.float32(scale)
    fade = np.clip((FADED - places) / np.float32(FADED - FULL), np.float32(0), np.float32(1))
    rise = (np.arange(OVERLAP * scale, dtype=np.float32) + 1) / np.float32(OVERLAP * scale + 1)
    return fade, rise


class Concealer:
    """One stream of `hz`: every hole through `conceal`, and the frame after it through `blend`."""

    def __init__(self, hz: int = HZ) -> None:
        self._scale = hz // HZ
        self._fade, self._rise = _curves(self._scale)
        self._period: NDArray[np.float32] | None = None  # what goes on, while there is a loss
        self._made = 0  # samples since the last frame that came

    @property
    def active(self) -> bool:
        """Within a loss: the next frame wants to be blended."""
        return self._period is not None

    def blend(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame after a loss: its first 4 ms go over from what was made up."""
        made = self._go_on(min(len(self._rise), len(frame)))
        rise = self._rise[: len(made)]
        frame = frame.copy()
        frame[: len(made)] = np.rint(frame[: len(made)] * rise + made * (1 - rise))
        self._period = None
        return frame

    def conceal(self, samples: int, recent: Callable[[], NDArray[np.int16]]) -> NDArray[np.int16]:
        """`samples` in place of what was lost; `recent` gives what came before it, best the last 35 ms and more.

        Where nothing was heard before it is silence.
        """
        if self._period is None:
            self._period, self._made = _last_period(recent().astype(np.float32), self._scale), 0
        voiced = min(samples, max(0, len(self._fade) - self._made))
        out = np.zeros(samples, np.int16)
        out[:voiced] = np.rint(self._go_on(voiced))
        self._made += samples - voiced
        return out

    def _go_on(self, samples: int) -> NDArray[np.float32]:
        """The next of the period, over and over, fading."""
        assert self._period is not None
        places = np.arange(self._made, self._made + samples)
        gain = np.zeros(samples, np.float32)
        within = places < len(self._fade)
        gain[within] = self._fade[places[within]]
        self._made += samples
        made: NDArray[np.float32] = self._period[places % len(self._period)] * gain
        return made


def _last_period(recent: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """The last pitch period, its end made to lead into its beginning."""
    if not len(recent):
        return np.zeros(SHORTEST * scale, np.float32)
    history, longest, shortest = _HISTORY * scale, LONGEST * scale, SHORTEST * scale
    if len(recent) < history:
        recent = np.concatenate((np.zeros(history - len(recent), np.float32), recent))
    recent = recent[-history:]
    template = recent[-TEMPLATE * scale :]
    windows = sliding_window_view(recent, len(template))[: longest - shortest + 1]  # the longest period comes first
    energy = np.einsum("ij,ij->i", windows, windows)
    likeness = (windows @ template) / np.sqrt(energy + np.float32(1))
    length = longest - int(np.argmax(likeness))
    period = recent[-length:].copy()
    quarter = length // 4
    rise = (np.arange(quarter, dtype=np.float32) + 1) / np.float32(quarter + 1)
    before = recent[-length - quarter : -length]
    period[-quarter:] = period[-quarter:] * (1 - rise) + before * rise
    return period
