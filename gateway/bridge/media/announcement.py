"""Sound of ours on its way to a caller: coded once for all who hear the same, however many they are."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from gateway.bridge.media.playout import FADE_MS, ramp
from gateway.codecs import Resampler, Sound

HZ = 24000
FRAME = HZ // 50
PIECE = FRAME * 50
"""A second is coded at a time: the length of a prompt keeps nobody's loop."""

MOST_BYTES = 50_000_000
"""Of PCM whose coded form is kept; what was heard longest ago goes first."""


class CodedSound:
    """PCM16 at 24 kHz as frames of 20 ms of `sound`, made as far as anybody has got."""

    def __init__(self, pcm: bytes, sound: Sound) -> None:
        self._pcm = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
        self._resampler = Resampler(HZ, sound.hz)
        self._sound, self._size = sound, sound.hz // 50 * sound.size
        self._coded = bytearray()
        self._read = 0
        self.frames = -(-len(self._pcm) // FRAME)

    def frame(self, number: int) -> bytes:
        end = (number + 1) * self._size
        while len(self._coded) < end:
            piece = self._pcm[self._read : self._read + PIECE]
            self._read += PIECE
            missing = -len(piece) % FRAME or (FRAME if not len(piece) else 0)
            whole: NDArray[np.int16] = np.concatenate((piece, np.zeros(missing, np.int16))) if missing else piece
            self._coded += self._sound.coded(self._resampler.push(whole))
        return bytes(self._coded[end - self._size : end])


class CodedSounds:
    """Of a node: the same PCM in the same sound is coded once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, Sound], CodedSound] = OrderedDict()
        self._bytes = 0

    def of(self, pcm: bytes, sound: Sound) -> CodedSound:
        """A `bytes` keeps its hash, so that a long one is looked at once."""
        key = pcm, sound
        found = self._kept.get(key)
        if found:
            self._kept.move_to_end(key)
            return found
        found = self._kept[key] = CodedSound(pcm, sound)
        self._bytes += len(pcm)
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            (gone, _), _ = self._kept.popitem(last=False)
            self._bytes -= len(gone)
        return found


class Announcement:
    """What one leg hears of ours now, and next."""

    def __init__(self, sounds: CodedSounds) -> None:
        self._sounds = sounds
        self._queue: list[tuple[bytes, int]] = []  # PCM, and frames of it that were taken
        self._tail = b""
        self.paused = False
        self.heard_ms = 0  # since the last flush

    @property
    def empty(self) -> bool:
        return not self._queue and not self._tail

    def put(self, pcm: bytes) -> None:
        if pcm:
            self._queue.append((pcm, 0))

    def take(self, sound: Sound) -> bytes | None:
        """The next 20 ms, in `sound`, which may differ from that of the frame before; None where there is nothing."""
        if self._tail:
            tail, self._tail = self._tail, b""
            return tail
        if not self._queue or self.paused:
            return None
        pcm, number = self._queue[0]
        coded = self._sounds.of(pcm, sound)
        if number + 1 >= coded.frames:
            self._queue.pop(0)
        else:
            self._queue[0] = pcm, number + 1
        self.heard_ms += 20
        return coded.frame(number)

    def flush(self, sound: Sound) -> int:
        """Stop, with a fade; ms that were heard since the last flush."""
        if not self.paused:
            self._fade(sound)
        heard, self.heard_ms = self.heard_ms, 0
        self._queue.clear()
        self.paused = False
        return heard

    def pause(self, on: bool, sound: Sound) -> None:
        if on and not self.paused:
            self._fade(sound)
        self.paused = on

    def _fade(self, sound: Sound) -> None:
        """The next few ms of what is being heard, down to nothing."""
        if not self._queue or not self._queue[0][1]:  # of what was never begun nothing is to be heard
            return
        pcm, number = self._queue[0]
        samples = sound.linear(self._sounds.of(pcm, sound).frame(number)).astype(np.float32)
        fading = ramp(FADE_MS * sound.hz // 1000)
        samples[len(fading) :] = 0
        samples[: len(fading)] *= fading
        self._tail = sound.coded(np.rint(samples).astype(np.int16))
