"""What a caller says where no agent hears it yet: kept until there is one."""

from __future__ import annotations

from collections import deque

import numpy as np

from gateway.codecs import Law, Resampler

BEFORE_MS, MOST_MS = 1000, 20_000
"""Of the time before a voice was noticed, and of all; the oldest goes."""


class Overheard:
    """It is called with each piece: PCM16 at 24 kHz, or what `pass_on` says."""

    def __init__(self) -> None:
        self.voiced = False
        self._pieces: deque[bytes] = deque()
        self._bytes, self._bytes_a_ms = 0, 48

    def __call__(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece)
        most = (MOST_MS if self.voiced else BEFORE_MS) * self._bytes_a_ms
        while self._bytes > most:
            self._bytes -= len(self._pieces.popleft())

    def pass_on(self, law: Law) -> None:
        """The agent's provider takes G.711, and so do we from now on; what there is becomes it."""
        samples = np.frombuffer(self.take(), "<i2")
        self._bytes_a_ms = law.hz // 1000
        self(law.coded(Resampler(24000, law.hz).push(samples)))

    def take(self) -> bytes:
        """All of it; nothing is left."""
        whole = b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = 0
        return whole
