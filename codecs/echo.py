"""Echo of a line: what comes back of what was said, found by correlation.

Speech that comes back is the same signal some time later and at another level. Two people who talk at the same time are
not alike: over a quarter of a second their correlation, at the delay where it is highest, stays below a third or so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Echo(NamedTuple):
    """`lag`: samples from the end of the window in what was sent to where it fits; `gain` of the echo, 1 is as loud."""

    lag: int
    likeness: float  # from 0 to 1
    gain: float


def find_echo(heard: NDArray[np.int16], sent: NDArray[np.int16]) -> Echo:
    """Where `heard` int16[n] is most like a part of `sent` int16[m], m > n, of the same rate; both end now."""
    length, room = len(heard), len(sent) - len(heard)
    size = 1 << (len(sent) - 1).bit_length()  # what wraps around lies behind the places that are looked at
    a, b = heard.astype(np.float32), sent.astype(np.float32)
    product = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: room + 1]
    energy: NDArray[np.float64] = np.concatenate((np.zeros(1), np.cumsum(b * b, dtype=np.float64)))
    windows = energy[length:] - energy[: room + 1]  # of what was sent, from each place on
    own = float(a @ a)
    floor = max(own * 1e-4, 1.0)  # what is far quieter than its echo would be is none
    likeness: NDArray[np.float64] = product / np.sqrt((windows + floor) * max(own, 1.0))
    best = int(np.argmax(likeness))
    gain = float(product[best]) / max(float(windows[best]), 1.0)
    return Echo(room - best, min(1.0, max(0.0, float(likeness[best]))), max(gain, 0.0))
