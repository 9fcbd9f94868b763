"""G.711 companding by table (ITU-T G.711): any array of linear samples at once, so that calls can share a look-up."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # from Python 3.13 on: the audioop-lts distribution


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """One companding law. `silence` is the code of a zero sample."""

    name: str
    encoder: NDArray[np.uint8]  # [65536], indexed by the sample seen as uint16
    decoder: NDArray[np.int16]  # [256]

    hz = 8000
    size = 1  # bytes of a sample

    @property
    def silence(self) -> int:
        return int(self.encoder[0])

    def linear(self, sound: bytes) -> NDArray[np.int16]:
        return self.decoder.take(np.frombuffer(sound, np.uint8))

    def coded(self, samples: NDArray[np.int16]) -> bytes:
        return self.encoder.take(samples.view(np.uint16)).tobytes()

    def quiet(self, samples: int) -> bytes:
        return bytes([self.silence]) * samples


def _law(name: str, encode: Callable[[bytes, int], bytes], decode: Callable[[bytes, int], bytes]) -> Law:
    every_sample = np.arange(65536, dtype=np.uint16).view(np.int16)
    every_code = np.arange(256, dtype=np.uint8)
    return Law(
        name,
        np.frombuffer(encode(every_sample.tobytes(), 2), np.uint8),
        np.frombuffer(decode(every_code.tobytes(), 2), np.int16),
    )


ULAW = _law("PCMU", audioop.lin2ulaw, audioop.ulaw2lin)
ALAW = _law("PCMA", audioop.lin2alaw, audioop.alaw2lin)


def encode(law: Law, samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """int16 of any shape to codes of the same shape."""
    return law.encoder[samples.view(np.uint16)]


def decode(law: Law, codes: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Codes of any shape to int16 of the same shape."""
    return law.decoder[codes]


@cache
def _table(law: str, other: str) -> bytes:
    laws = {one.name: one for one in (ULAW, ALAW)}
    return encode(laws[other], laws[law].decoder).tobytes()


def translate(codes: bytes, law: Law, other: Law) -> bytes:
    """From one law to the other, code by code (G.711 tables 3 and 4)."""
    return codes.translate(_table(law.name, other.name))
