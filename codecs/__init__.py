"""Arrays in, arrays out: companding and resampling. Imported as `gateway.codecs`."""

from __future__ import annotations

from dataclasses import dataclass

from . import g711
from .g711 import Law
from .goertzel import KeyDetector, tone
from .level import SpeechDetector
from .plc import Concealer
from .resample import DOWN, UP, Resampler
from .tones import comfort_noise, hold_tune, read_wav

__all__ = [
    "CODECS",
    "DOWN",
    "UP",
    "Codec",
    "Concealer",
    "KeyDetector",
    "Law",
    "Resampler",
    "SpeechDetector",
    "comfort_noise",
    "g711",
    "hold_tune",
    "read_wav",
    "tone",
]


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to speak on RTP: SDP name, rate of the samples and of the RTP clock in Hz, static payload type."""

    name: str
    rate_hz: int
    clock_hz: int
    payload_type: int
    law: g711.Law


CODECS = {
    "PCMU": Codec("PCMU", 8000, 8000, 0, g711.ULAW),
    "PCMA": Codec("PCMA", 8000, 8000, 8, g711.ALAW),
}
"""What is spoken on the telephone's side, in order of preference."""
