"""Audio formats of the Realtime protocol: `audio/pcm`, `audio/pcmu`, `audio/pcma`, as bytes and as samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import g711

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Format:
    """`hz` samples a second; `bytes_per_ms` of the encoded audio."""

    hz: int
    bytes_per_ms: int
    decode: Callable[[bytes], Samples]
    encode: Callable[[Samples], bytes]


def _companded(law: g711.Law) -> Format:
    return Format(
        8000,
        8,
        lambda data: g711.decode(law, np.frombuffer(data, np.uint8)),
        lambda samples: g711.encode(law, samples).tobytes(),
    )


FORMATS = {
    "audio/pcm": Format(24000, 48, lambda data: np.frombuffer(data, "<i2"), lambda samples: samples.tobytes()),
    "audio/pcmu": _companded(g711.ULAW),
    "audio/pcma": _companded(g711.ALAW),
}


def format_of(value: Any) -> Format | None:
    """The row that a session's `format` object names; None where it is not one that can be served."""
    found = FORMATS.get(str(value.get("type"))) if isinstance(value, dict) else None
    return found if found and (value.get("rate") or found.hz) == found.hz else None
