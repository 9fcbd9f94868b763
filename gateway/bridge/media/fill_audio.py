"""What a party hears besides speech: keys that are pressed within the audio, music, a ringing tone, a quiet line."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Sound, comfort_noise, ringing_tone, tone

FRAME = 480  # samples of 20 ms at 24 kHz
NO_MUSIC: NDArray[np.int16] = np.zeros(0, np.int16)


class FillAudio:
    """One party's. `music` is int16 at 24 kHz, played in a loop; without `noise_dbm0` quiet is silence."""

    def __init__(self, music: NDArray[np.int16] = NO_MUSIC, noise_dbm0: float | None = None) -> None:
        self._music, self._noise_dbm0 = music, noise_dbm0
        self._keys: NDArray[np.int16] = np.zeros(0, np.int16)
        self.pressing = False
        self._played = 0  # samples of the music
        self._rustled = 0  # frames of the noise
        self._rung = 0  # samples of the ringing tone

    def press(self, digits: str) -> None:
        self._keys = np.concatenate((self._keys, *[tone(digit) for digit in digits.upper()]))
        self.pressing = True

    def pressed(self) -> NDArray[np.int16] | None:
        """20 ms at 24 kHz of a key; None while none is pressed."""
        if not self.pressing:
            return None
        frame, self._keys = self._keys[:FRAME], self._keys[FRAME:]
        self.pressing = len(self._keys) > 0
        return frame

    def rewind(self) -> None:
        """The music begins anew."""
        self._played = 0

    def music(self) -> NDArray[np.int16] | None:
        """The next 20 ms at 24 kHz; None where there is none."""
        if len(self._music) < FRAME:
            return None
        frame = np.take(self._music, range(self._played, self._played + FRAME), mode="wrap")
        self._played = (self._played + FRAME) % len(self._music)
        return frame

    def ringing_tone(self) -> NDArray[np.int16]:
        """The next 20 ms at 24 kHz."""
        tone = ringing_tone()
        frame = tone[self._rung : self._rung + FRAME]
        self._rung = (self._rung + FRAME) % len(tone)
        return frame

    def quiet(self, sound: Sound) -> bytes:
        """20 ms of what is heard while nobody speaks."""
        samples = sound.hz // 50
        if self._noise_dbm0 is None:
            return sound.quiet(samples)
        noise, size = comfort_noise(sound, self._noise_dbm0), samples * sound.size
        self._rustled = (self._rustled + 1) % (len(noise) // size)
        return noise[self._rustled * size : (self._rustled + 1) * size]
