"""Text to speech by the espeak-ng library, called directly."""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Resampler
from gateway.errors import ConfigError

_SYNCHRONOUS, _UTF8, _RATE = 2, 1, 1
_NORMAL_RATE = 165  # words a minute

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Mouth:
    """One voice box for the process: the library keeps global state. Not for use from several threads."""

    def __init__(self) -> None:
        """Raises ConfigError where the library is not there."""
        self._library, data = _load()
        self._hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if self._hz <= 0:
            raise ConfigError("espeak-ng", "its voices cannot be read; install the 'local' extra again")
        self._spoken: list[NDArray[np.int16]] = []
        self._callback = _Callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        self._voice = ""

    def speak(self, text: str, voice: str = "en-us", speed: float = 1.0, hz: int = 24000) -> NDArray[np.int16]:
        """int16 at `hz` samples a second; some 5 ms for 3 s of speech. An unknown voice is spoken as en-us."""
        if voice != self._voice:
            if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
                self._library.espeak_SetVoiceByName(b"en-us")
            self._voice = voice
        self._library.espeak_SetParameter(_RATE, int(_NORMAL_RATE * speed), 0)
        self._spoken = []
        if not text.strip():
            return np.zeros(0, np.int16)
        raw = text.encode()
        self._library.espeak_Synth(raw, len(raw) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._spoken) if self._spoken else np.zeros(0, np.int16)
        if hz == self._hz:
            return samples
        tail = np.zeros(self._hz // 50, np.int16)  # pushes the filter's delay and the last block out
        return Resampler(self._hz, hz).push(np.concatenate((samples, tail)))

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            self._spoken.append(np.ctypeslib.as_array(samples, (count,)).astype(np.int16))
        return 0


def _load() -> tuple[Any, bytes | None]:
    try:
        import espeakng_loader

        data = Path(espeakng_loader.get_data_path())
        return ctypes.CDLL(espeakng_loader.get_library_path()), str(data.parent).encode()
    except ImportError:
        name = ctypes.util.find_library("espeak-ng")
        if name is None:
            raise ConfigError("espeak-ng", "not installed: pip install 'voice-agent-gateway[local]'") from None
        return ctypes.CDLL(name), None


@cache
def mouth() -> Mouth:
    """The process's own."""
    return Mouth()
