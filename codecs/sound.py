"""How a voice lies in bytes between codec and resampling: G.711 as it came, or PCM where a codec has a memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import g711
from .resample import Resampler


class Sound(Protocol):
    """`hz` of the samples, `size` of one in bytes."""

    @property
    def name(self) -> str: ...
    @property
    def hz(self) -> int: ...
    @property
    def size(self) -> int: ...
    def __hash__(self) -> int: ...
    def linear(self, sound: bytes) -> NDArray[np.int16]: ...
    def coded(self, samples: NDArray[np.int16]) -> bytes: ...
    def quiet(self, samples: int) -> bytes: ...


class Linear:
    """PCM16, little endian."""

    def __init__(self, hz: int) -> None:
        self.name, self.hz, self.size = f"L16/{hz}", hz, 2

    def linear(self, sound: bytes) -> NDArray[np.int16]:
        return np.frombuffer(sound, "<i2")

    def coded(self, samples: NDArray[np.int16]) -> bytes:
        return samples.astype("<i2").tobytes()

    def quiet(self, samples: int) -> bytes:
        return bytes(2 * samples)


WIDE = Linear(16000)


class Transcoder:
    """One voice from `sound` to `other`, in pieces of any length."""

    def __init__(self, sound: Sound, other: Sound) -> None:
        self.sound, self._other = sound, other
        self._resampler = Resampler(sound.hz, other.hz) if sound.hz != other.hz else None

    def push(self, sound: bytes) -> bytes:
        if self.sound is self._other:
            return sound
        if isinstance(self.sound, g711.Law) and isinstance(self._other, g711.Law):
            return g711.translate(sound, self.sound, self._other)
        samples = self.sound.linear(sound)
        return self._other.coded(self._resampler.push(samples) if self._resampler else samples)
