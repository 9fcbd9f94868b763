"""Concealment of lost packets for G.711: the last pitch period goes on, and fades (after ITU-T G.711 appendix I).

Unlike there nothing is held back: the appendix delays all speech by 3.75 ms so that it can overlap the beginning of a
loss; here only the end of one is overlapped. int16 at 8 kHz.
"""

from __future__ import annotations

from collections.abc import Callable

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

_FADE = np.clip((FADED - np.arange(FADED, dtype=np.float32)) / np.float32(FADED - FULL), np.float32(0), np.float32(1))
_RISE = (np.arange(OVERLAP, dtype=np.float32) + 1) / np.float32(OVERLAP + 1)


class Concealer:
    """One stream: every hole through `conceal`, and the frame after it through `blend`."""

    def __init__(self) -> None:
        self._period: NDArray[np.float32] | None = None  # what goes on, while there is a loss
        self._made = 0  # samples since the last frame that came

    @property
    def active(self) -> bool:
        """Within a loss: the next frame wants to be blended."""
        return self._period is not None

    def blend(self, frame: NDArray[np.int16]) -> NDArray[np.int16]:
        """The frame after a loss: its first 4 ms go over from what was made up."""
        made = self._go_on(min(OVERLAP, len(frame)))
        rise = _RISE[: len(made)]
        frame = frame.copy()
        frame[: len(made)] = np.rint(frame[: len(made)] * rise + made * (1 - rise))
        self._period = None
        return frame

    def conceal(self, samples: int, recent: Callable[[], NDArray[np.int16]]) -> NDArray[np.int16]:
        """`samples` in place of what was lost; `recent` gives what came before it, best the last 35 ms and more.

        Where nothing was heard before it is silence.
        """
        if self._period is None:
            self._period, self._made = _last_period(recent().astype(np.float32)), 0
        voiced = min(samples, max(0, FADED - self._made))
        out = np.zeros(samples, np.int16)
        out[:voiced] = np.rint(self._go_on(voiced))
        self._made += samples - voiced
        return out

    def _go_on(self, samples: int) -> NDArray[np.float32]:
        """The next of the period, over and over, fading."""
        assert self._period is not None
        places = np.arange(self._made, self._made + samples)
        gain = np.zeros(samples, np.float32)
        within = places < FADED
        gain[within] = _FADE[places[within]]
        self._made += samples
        made: NDArray[np.float32] = self._period[places % len(self._period)] * gain
        return made


def _last_period(recent: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last pitch period, its end made to lead into its beginning."""
    if not len(recent):
        return np.zeros(SHORTEST, np.float32)
    if len(recent) < _HISTORY:
        recent = np.concatenate((np.zeros(_HISTORY - len(recent), np.float32), recent))
    recent = recent[-_HISTORY:]
    template = recent[-TEMPLATE:]
    windows = sliding_window_view(recent, TEMPLATE)[: LONGEST - SHORTEST + 1]  # the longest period comes first
    energy = np.einsum("ij,ij->i", windows, windows)
    likeness = (windows @ template) / np.sqrt(energy + np.float32(1))
    length = LONGEST - int(np.argmax(likeness))
    period = recent[-length:].copy()
    quarter = length // 4
    rise = (np.arange(quarter, dtype=np.float32) + 1) / np.float32(quarter + 1)
    before = recent[-length - quarter : -length]
    period[-quarter:] = period[-quarter:] * (1 - rise) + before * rise
    return period
