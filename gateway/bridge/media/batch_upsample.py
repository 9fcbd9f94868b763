"""The callers' voices of all calls, converted together: G.711, or PCM16 of a wider band, to PCM16 at 24 kHz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import CODECS, WIDE, Sound, kernel

PROVIDER_HZ = 24000
HISTORY = kernel(WIDE.hz, PROVIDER_HZ).context
"""Samples of the past that the widest needs."""
BLOCKS = {one.sound.name: kernel(one.sound.hz, PROVIDER_HZ).block_in * one.sound.size for one in CODECS.values()}
"""Bytes of a block of the kernel, for each way in which voices come."""


class Voice(Protocol):
    """One call's: `row` is its place among the histories, below 0 once it has left."""

    row: int

    @property
    def sound(self) -> Sound: ...
    def converted(self, pcm: bytes) -> None:
        """PCM16 at 24 kHz, in order."""

    def fault(self, error: Exception) -> None:
        """What it did with it was a bug."""


class BatchUpsample:
    """`put` collects, `flush` converts what has come of all and hands it on. `ask` has `flush` called soon."""

    def __init__(self, ask: Callable[[BatchUpsample], None]) -> None:
        self._ask = ask
        self._waiting: dict[Voice, bytes] = {}
        self._rests: dict[Voice, bytes] = {}  # what did not fill a block of the kernel
        self._history: NDArray[np.float32] = np.zeros((64, HISTORY), np.float32)
        self._free = list(range(64))

    def join(self) -> int:
        """A row for one more voice."""
        if not self._free:
            rows = len(self._history)
            self._history = np.concatenate((self._history, np.zeros_like(self._history)))
            self._free = list(range(rows, 2 * rows))
        row = self._free.pop()
        self._history[row] = 0
        return row

    def leave(self, voice: Voice) -> None:
        """Give the row back; what still waits, or comes, is of no use any more."""
        self._waiting.pop(voice, None)
        self._rests.pop(voice, None)
        self._free.append(voice.row)
        voice.row = -1

    def restart(self, voice: Voice) -> None:
        """What comes next is coded in another way."""
        self.flush()
        self._rests.pop(voice, None)
        self._history[voice.row] = 0

    def put(self, voice: Voice, codes: bytes) -> None:
        """What comes next of this voice, of any length."""
        waiting = self._waiting
        if voice.row < 0:
            return
        if not waiting:
            waiting[voice] = codes
            self._ask(self)
        elif voice in waiting:
            waiting[voice] += codes
        else:
            waiting[voice] = codes

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        alike: defaultdict[tuple[str, int], list[tuple[Voice, bytes]]] = defaultdict(list)
        for voice, codes in waiting.items():
            block = BLOCKS[voice.sound.name]
            whole = self._whole(voice, codes, block) if voice in self._rests or len(codes) % block else codes
            if whole:
                alike[voice.sound.name, len(whole)].append((voice, whole))
        for group in alike.values():
            here = [one for one in group if one[0].row >= 0]  # what was handed on just now may have ended a call
            if here:
                self._convert([voice for voice, _ in here], b"".join([codes for _, codes in here]))

    def _whole(self, voice: Voice, codes: bytes, block: int) -> bytes:
        codes = self._rests.pop(voice, b"") + codes
        used = len(codes) // block * block
        if used < len(codes):
            self._rests[voice] = codes[used:]
        return codes[:used]

    def _convert(self, voices: list[Voice], codes: bytes) -> None:
        rows, sound = [voice.row for voice in voices], voices[0].sound
        up = kernel(sound.hz, PROVIDER_HZ)
        samples = sound.linear(codes).reshape(len(rows), -1)
        block = np.empty((len(rows), up.context + samples.shape[1]), np.float32)
        block[:, : up.context] = self._history[rows, : up.context]
        block[:, up.context :] = samples
        self._history[rows, : up.context] = block[:, -up.context :]
        for voice, pcm in zip(voices, up.convert(block), strict=True):
            try:
                voice.converted(pcm.tobytes())
            except Exception as error:  # boundary: a fault in one call never touches another
                voice.fault(error)
