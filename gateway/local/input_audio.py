"""The input audio buffer of a session: what was appended and not committed, at 16 kHz in windows of the detector."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

import numpy as np

from gateway.codecs import Resampler
from gateway.local.audio import Format, Samples
from gateway.local.checks import EventError
from gateway.local.detector import WINDOW

EARS_HZ = 16000


class InputAudioBuffer:
    """`heard_ms` counts all that was appended, from the beginning of the session."""

    def __init__(self) -> None:
        self.heard_ms = 0
        self._format: Format | None = None
        self._pending = np.zeros(0, np.int16)  # less than a window
        self._windows: list[Samples] = []  # of the turn, or of what may become its padding

    def use(self, wanted: Format) -> None:
        """What is appended from now on has this format."""
        if wanted is not self._format:
            self._format, self._resampler = wanted, Resampler(wanted.hz, EARS_HZ)

    def append(self, audio: str) -> list[Samples]:
        """The windows that base64 of the format fills. Raises EventError."""
        assert self._format is not None
        try:
            samples = self._format.decode(a2b_base64(audio.encode("ascii")))
        except (Base64Error, ValueError) as error:
            raise EventError("invalid_value", f"Invalid audio: {error}.", "audio") from error
        pending = np.concatenate((self._pending, self._resampler.push(samples)))
        whole = len(pending) // WINDOW * WINDOW
        self._pending = pending[whole:]
        return [pending[at : at + WINDOW] for at in range(0, whole, WINDOW)]

    def keep(self, window: Samples) -> None:
        self.heard_ms += WINDOW * 1000 // EARS_HZ
        self._windows.append(window)

    def limit(self, ms: int) -> None:
        """Forget what is older, but for one window."""
        del self._windows[: -max(1, ms * EARS_HZ // 1000 // WINDOW)]

    @property
    def ms(self) -> float:
        return len(self._windows) * WINDOW * 1000 // EARS_HZ

    @property
    def audio(self) -> Samples:
        """int16 at 16 kHz."""
        return np.concatenate(self._windows)

    def clear(self) -> None:
        self._windows = []
