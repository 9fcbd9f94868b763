"""The agent's speech on its way to the caller: the only buffer there is, and the account of what left it."""

from __future__ import annotations

from collections import deque
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gateway.realtime import Heard

FADE_MS = 5
MAX_SECONDS = 300
MAX_ITEMS = 64

Key = tuple[str, int]


class Playout:
    """Speech by item, PCM16 at `hz`. `take` gives frames, `flush` stops with a fade and says what was heard."""

    def __init__(self, hz: int = 24000) -> None:
        self.hz, self._ms = hz, hz // 1000
        self._queue: deque[tuple[Key, NDArray[np.int16]]] = deque()
        self._samples = 0
        self._heard: dict[Key, int] = {}  # samples that were taken, of the items since the last flush
        self._tail: NDArray[np.int16] | None = None
        self._paused = False
        self._odd: dict[Key, bytes] = {}  # half a sample that a delta ended with
        self.dropped = 0  # samples over the bound

    @property
    def empty(self) -> bool:
        return not self._samples and self._tail is None

    def put(self, item_id: str, content_index: int, audio: bytes) -> None:
        """Deltas may have any length, also an odd one."""
        key = (item_id, content_index)
        if rest := self._odd.pop(key, b""):
            audio = rest + audio
        if len(audio) % 2:
            self._odd[key], audio = audio[-1:], audio[:-1]
        samples = np.frombuffer(audio, "<i2")
        room = MAX_SECONDS * self.hz - self._samples
        self.dropped += max(0, len(samples) - room)
        samples = samples[:room]
        if key not in self._heard:
            self._heard[key] = 0
            if len(self._heard) > MAX_ITEMS:  # of a long talk without an interruption the oldest have been heard
                del self._heard[next(iter(self._heard))]
        if len(samples):
            self._queue.append((key, samples))
            self._samples += len(samples)

    def take(self, samples: int) -> NDArray[np.int16] | None:
        """The next frame, filled up with silence at the end; None when there is nothing to play."""
        if self._tail is not None:
            frame = np.zeros(samples, np.int16)
            frame[: len(self._tail)] = self._tail
            self._tail = None
            return frame
        if not self._samples or self._paused:
            return None
        key, head = self._queue[0]
        if len(head) > samples:  # the usual case: one piece holds several frames
            self._queue[0] = (key, head[samples:])
            self._account(key, samples)
            return head[:samples]
        frame, filled = np.zeros(samples, np.int16), 0
        while self._queue and filled < samples:
            key, head = self._queue.popleft()
            part = head[: samples - filled]
            frame[filled : filled + len(part)] = part
            filled += len(part)
            self._account(key, len(part))
            if len(part) < len(head):
                self._queue.appendleft((key, head[len(part) :]))
        return frame

    def _account(self, key: Key, samples: int) -> None:
        self._samples -= samples
        if key in self._heard:
            self._heard[key] += samples

    def flush(self) -> list[Heard]:
        """Drop what is left. Items since the last flush are told in order, also those that were heard to the end."""
        if not self._paused:
            self._fade()
        heard = [Heard(item, index, count // self._ms) for (item, index), count in self._heard.items()]
        self._queue.clear()
        self._heard.clear()
        self._odd.clear()
        self._samples = 0
        self._paused = False
        return heard

    def pause(self, on: bool) -> None:
        """Stop with a fade and keep the rest; or go on with it, after the fade."""
        if on and not self._paused:
            self._fade()
        elif self._paused and not on and self._queue:
            key, head = self._queue.popleft()
            head, rise = head.copy(), 1 - ramp(FADE_MS * self._ms)[: len(head)]
            head[: len(rise)] = np.rint(head[: len(rise)] * rise)
            self._queue.appendleft((key, head))
        self._paused = on

    def _fade(self) -> None:
        """The next few ms of what is being heard, down to nothing. They count as heard."""
        if not self._queue:
            return
        key, head = self._queue[0]
        if self._heard.get(key):  # of what was never begun nothing is to be heard, not even its fading
            tail = head[: FADE_MS * self._ms]
            self._tail = np.rint(tail * ramp(FADE_MS * self._ms)[: len(tail)]).astype(np.int16)
            self._account(key, len(tail))
            self._queue.popleft()
            if len(tail) < len(head):
                self._queue.appendleft((key, head[len(tail) :]))


@cache
def ramp(samples: int) -> NDArray[np.float32]:
    """From full level down to nothing."""
    return 1 - np.arange(samples, dtype=np.float32) / np.float32(samples)
