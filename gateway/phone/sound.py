"""This machine's microphone and loudspeaker, 20 ms of PCM16 at HZ at a time."""

from __future__ import annotations

import queue
from typing import Any

from gateway.phone.errand import HZ, sound_device

MOST = 10
"""Frames that wait: more would be a delay that is never made up for."""


class Sound:
    """Open from the start. Raises ConfigError."""

    def __init__(self) -> None:
        device = sound_device()
        self._said, self._heard = queue.SimpleQueue[bytes](), queue.SimpleQueue[bytes]()
        options = {"samplerate": HZ, "blocksize": HZ // 50, "channels": 1, "dtype": "int16"}
        self._streams = [
            device.RawInputStream(callback=self._from_microphone, **options),
            device.RawOutputStream(callback=self._to_loudspeaker, **options),
        ]
        for stream in self._streams:
            stream.start()

    def _from_microphone(self, data: Any, frames: int, when: Any, status: Any) -> None:
        if self._said.qsize() < MOST:
            self._said.put(bytes(data))

    def _to_loudspeaker(self, data: Any, frames: int, when: Any, status: Any) -> None:
        while self._heard.qsize() > MOST:
            self._heard.get()
        data[:] = self._heard.get() if self._heard.qsize() else bytes(len(data))

    def said(self) -> bytes:
        """The next 20 ms from the microphone; empty where there is none yet."""
        return self._said.get() if self._said.qsize() else b""

    def hear(self, frame: bytes) -> None:
        self._heard.put(frame)

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
