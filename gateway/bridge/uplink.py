"""The caller's voice on its way to the agent: G.711 to PCM16 at 24 kHz, on a clock that never stops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import Codec, Concealer, KeyDetector, Resampler
from gateway.rtp import Gap

FRAME_MS = 20
QUIET_MS = 100
"""When nothing has come for this long the sender has paused, and its silence is filled in as time goes by."""


class Uplink:
    """`append` gets chunks of `chunk_ms`. Loss is concealed; pauses and hold become silence of their own length."""

    def __init__(self, codec: Codec, chunk_ms: int, append: Callable[[bytes], None]) -> None:
        self.append = append
        self._chunk = chunk_ms * 24
        self._pending: list[NDArray[np.int16]] = []
        self._samples = 0
        self.quiet_ms = 0  # since the last packet
        self._filled = 0  # samples of silence that were filled in before a gap explained them
        self.deaf = False
        self._concealer = Concealer()
        self._keys: KeyDetector | None = None
        self._on_key: Callable[[str], None] = lambda key: None
        self._codec = codec
        self._resampler = Resampler(codec.rate_hz, 24000)

    def find_keys(self, on_key: Callable[[str], None]) -> None:
        """Listen for keys that are pressed within the audio; the agent hears silence in their place."""
        self._keys, self._on_key = KeyDetector(), on_key

    def use(self, codec: Codec) -> None:
        """What the next payloads are coded in."""
        if codec.rate_hz != self._codec.rate_hz:
            self._resampler = Resampler(codec.rate_hz, 24000)
        self._codec = codec

    def audio(self, payload: bytes) -> None:
        self.quiet_ms = self._filled = 0  # a gap that explains what was filled in comes just before
        samples = self._codec.law.decoder[np.frombuffer(payload, np.uint8)]
        tones = False
        if self._keys:
            keys, tones = self._keys.push(samples)
            for key in keys:
                self._on_key(key)
        if self.deaf or tones:
            self._push(np.zeros(len(payload), np.int16))
        else:
            self._push(self._concealer.heard(samples))

    def gap(self, gap: Gap) -> None:
        explained = min(gap.samples, self._filled)
        self._filled -= explained
        missing = gap.samples - explained
        if missing <= 0:
            return
        if gap.lost and not explained and not self.deaf:
            self._push(self._concealer.conceal(missing))
        else:
            self._push(np.zeros(missing, np.int16))

    def tick(self) -> None:
        """Once in 20 ms."""
        self.quiet_ms += FRAME_MS
        if self.quiet_ms > QUIET_MS:
            samples = FRAME_MS * self._codec.rate_hz // 1000
            self._filled += samples
            self._push(np.zeros(samples, np.int16))

    def _push(self, samples: NDArray[np.int16]) -> None:
        converted = self._resampler.push(samples)
        self._pending.append(converted)
        self._samples += len(converted)
        if self._samples < self._chunk:
            return
        whole = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
        for start in range(0, len(whole) - self._chunk + 1, self._chunk):
            self.append(whole[start : start + self._chunk].tobytes())
        rest = whole[len(whole) // self._chunk * self._chunk :]
        self._pending, self._samples = ([rest] if len(rest) else []), len(rest)
