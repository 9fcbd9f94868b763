"""The callers' voices of all calls, converted together: G.711 to PCM16 at 24 kHz."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.codecs import UP, g711


class Voice(Protocol):
    """One call's: `row` is its place among the histories, below 0 once it has left."""

    row: int

    @property
    def law(self) -> g711.Law: ...
    def converted(self, pcm: bytes) -> None:
        """PCM16 at 24 kHz, in order."""


class Upstream:
    """`put` collects, `flush` converts what has come of all and hands it on. `ask` has `flush` called soon."""

    def __init__(self, ask: Callable[[Upstream], None]) -> None:
        self._ask = ask
        self._waiting: dict[Voice, bytes] = {}
        self._rests: dict[Voice, bytes] = {}  # what did not fill a block of the kernel
        self._history: NDArray[np.float32] = np.zeros((64, UP.context), np.float32)
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
            whole = self._whole(voice, codes) if voice in self._rests or len(codes) % UP.block_in else codes
            if whole:
                alike[voice.law.name, len(whole)].append((voice, whole))
        for group in alike.values():
            here = [one for one in group if one[0].row >= 0]  # what was handed on just now may have ended a call
            if here:
                self._convert([voice for voice, _ in here], b"".join([codes for _, codes in here]))

    def _whole(self, voice: Voice, codes: bytes) -> bytes:
        codes = self._rests.pop(voice, b"") + codes
        used = len(codes) // UP.block_in * UP.block_in
        if used < len(codes):
            self._rests[voice] = codes[used:]
        return codes[:used]

    def _convert(self, voices: list[Voice], codes: bytes) -> None:
        rows = [voice.row for voice in voices]
        coded = np.frombuffer(codes, np.uint8).reshape(len(rows), -1)
        block = np.empty((len(rows), UP.context + coded.shape[1]), np.float32)
        block[:, : UP.context] = self._history[rows]
        block[:, UP.context :] = voices[0].law.decoder[coded]
        self._history[rows] = block[:, -UP.context :]
        for voice, pcm in zip(voices, UP.convert(block), strict=True):
            voice.converted(pcm.tobytes())
