"""Sample rate conversion with a constant delay of 2 ms and nothing held back.

A library's streaming resampler keeps samples for tens of milliseconds and gives them out in bursts; a telephone call
cannot wait for that. Here a linear-phase low-pass is designed once for each pair of rates, and a block is converted by
one matrix product: output k of a block is a fixed weighting of the block and of the samples just before it. Blocks of
several calls go through the same product together.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

REACH_MS = 2.0
"""Half the length of the filter, which is its delay, in ms."""

_BETA = 7.5  # of the Kaiser window: about 75 dB of attenuation


_LOWEST, _HIGHEST = np.float32(-32768), np.float32(32767)


class Kernel:
    """The conversion from one rate to another, in Hz. It holds no signal: `history` comes with every call.

    `block_in` samples become `block_out`; inputs are whole blocks. `context` is how many samples of history it needs.
    """

    def __init__(self, in_hz: int, out_hz: int) -> None:
        shared = math.gcd(in_hz, out_hz)
        step_in, step_out = in_hz // shared, out_hz // shared
        blocks = max(1, 16 // min(step_in, step_out))  # a product of about 16 samples is quickest
        self.in_hz, self.out_hz = in_hz, out_hz
        self.block_in, self.block_out = step_in * blocks, step_out * blocks
        reach = REACH_MS / 1000
        self.context = math.ceil(2 * reach * in_hz)
        self._weights = self._design(reach)

    def _design(self, reach: float) -> NDArray[np.float32]:
        """[context + block_in, block_out]: each column is the impulse response, centred `reach` seconds back."""
        cutoff = min(self.in_hz, self.out_hz) / 2
        inputs = (np.arange(self.context + self.block_in) - self.context) / self.in_hz  # s; 0: the block's first sample
        outputs = np.arange(self.block_out) / self.out_hz - reach
        distance = inputs[:, None] - outputs[None, :]
        inside = np.abs(distance) <= reach
        bend = np.sqrt((1 - (distance / reach) ** 2) * inside)
        window = np.i0(_BETA * bend) / np.i0(_BETA) * inside
        weights = np.sinc(2 * cutoff * distance) * window
        return np.asarray(weights / weights.sum(axis=0), np.float32)  # unity gain at 0 Hz for every phase

    def convert(self, samples: NDArray[np.float32]) -> NDArray[np.int16]:
        """[rows, context + n * block_in] float32 in the range of int16, history first, to [rows, n * block_out]."""
        rows, length = samples.shape
        blocks = (length - self.context) // self.block_in
        span = self.context + self.block_in
        windows = np.lib.stride_tricks.as_strided(
            samples,
            (rows, blocks, span),
            (samples.strides[0], samples.strides[1] * self.block_in, samples.strides[1]),
            writeable=False,
        )
        product = windows.reshape(rows * blocks, span) @ self._weights
        return saturate(product).reshape(rows, blocks * self.block_out)


def saturate(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Round and clip, then narrow: a bare cast would truncate, and wrap around at the ends."""
    rounded: NDArray[np.float32] = np.rint(samples)
    return np.clip(rounded, _LOWEST, _HIGHEST).astype(np.int16)


@cache
def kernel(in_hz: int, out_hz: int) -> Kernel:
    """Designed once for each pair of rates."""
    return Kernel(in_hz, out_hz)


class Resampler:
    """A kernel with the history of one stream. Pieces may have any length; what does not fill a block waits."""

    def __init__(self, in_hz: int, out_hz: int) -> None:
        self._kernel = kernel(in_hz, out_hz)
        self.reset()

    def reset(self) -> None:
        """Forget the signal so far, so that nothing of it leaks into what comes next."""
        self._past: NDArray[np.float32] = np.zeros(self._kernel.context, np.float32)

    def push(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """int16[n] to int16[about n * out_hz / in_hz]."""
        signal: NDArray[np.float32] = np.concatenate((self._past, samples.astype(np.float32)))
        context, block = self._kernel.context, self._kernel.block_in
        used = (len(signal) - context) // block * block
        self._past = signal[used:]
        if not used:
            return np.empty(0, np.int16)
        converted: NDArray[np.int16] = self._kernel.convert(signal[None, : context + used])[0]
        return converted
