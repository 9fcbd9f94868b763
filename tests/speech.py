"""Real speech for tests: the voice of espeak-ng as a telephone passes it on."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Resampler, g711
from gateway.local.mouth import mouth


@cache
def narrowband(text: str, speed: float = 0.85) -> NDArray[np.int16]:
    """int16 at 8 kHz, as it comes out of G.711."""
    return g711.decode(g711.ULAW, g711.encode(g711.ULAW, mouth().speak(text, speed=speed, hz=8000)))


def telephone(text: str, before_ms: int = 300, after_ms: int = 500) -> NDArray[np.int16]:
    """int16 at 16 kHz, with silence around it."""
    pieces = np.zeros(before_ms * 8, np.int16), narrowband(text), np.zeros(after_ms * 8, np.int16)
    return Resampler(8000, 16000).push(np.concatenate(pieces))
