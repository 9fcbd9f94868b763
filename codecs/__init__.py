"""Arrays in, arrays out: companding and resampling. Imported as `gateway.codecs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from . import g711
from .echo import Echo, find_echo
from .g711 import Law
from .g722 import G722
from .goertzel import KeyDetector, tone
from .level import SpeechDetector, levels
from .level import level as dbm0
from .plc import Concealer
from .resample import Resampler, kernel
from .sound import WIDE, Sound, Transcoder
from .tones import beep, comfort_noise, hold_tune, read_wav, ringing_tone

__all__ = [
    "CODECS",
    "WIDE",
    "Codec",
    "Coder",
    "Concealer",
    "Echo",
    "KeyDetector",
    "Law",
    "Resampler",
    "Sound",
    "SpeechDetector",
    "Transcoder",
    "beep",
    "comfort_noise",
    "dbm0",
    "find_echo",
    "g711",
    "hold_tune",
    "kernel",
    "levels",
    "read_wav",
    "ringing_tone",
    "tone",
]


class Coder(Protocol):
    """A codec's memory of one party."""

    def decode(self, payload: bytes) -> bytes: ...
    def encode(self, pcm: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to speak on RTP: SDP name, RTP clock in Hz, static payload type.

    `sound` is what payloads are turned into by a `coder`; without one they are that already.
    """

    name: str
    clock_hz: int
    payload_type: int
    sound: Sound
    coder: Callable[[], Coder] | None = None


CODECS = {
    "PCMU": Codec("PCMU", 8000, 0, g711.ULAW),
    "PCMA": Codec("PCMA", 8000, 8, g711.ALAW),
    "G722": Codec("G722", 8000, 9, WIDE, G722),
}
"""What can be spoken on the telephone's side."""
