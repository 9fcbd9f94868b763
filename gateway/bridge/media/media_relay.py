"""What one party says on its way to another that it was joined with, in the way that the other hears."""

from __future__ import annotations

from gateway.codecs import Sound, Transcoder

MOST, WANTED = 5, 2
"""Frames that wait: beyond 100 ms the oldest go, down to 40 ms."""


class MediaRelay:
    """One direction, to a party that hears in `sound`."""

    def __init__(self, sound: Sound) -> None:
        self._sound, self._frame = sound, sound.hz // 50 * sound.size  # bytes of 20 ms
        self._transcoder = Transcoder(sound, sound)
        self._waiting = bytearray()

    def put(self, said: bytes, sound: Sound) -> None:
        """The next of what was said."""
        if sound is not self._transcoder.sound:
            self._transcoder = Transcoder(sound, self._sound)
        self._waiting += self._transcoder.push(said)

    def take(self) -> bytes:
        """The next 20 ms; empty where there is not enough."""
        frame = self._frame
        if len(self._waiting) > MOST * frame:
            del self._waiting[: len(self._waiting) - WANTED * frame]
        if len(self._waiting) < frame:
            return b""
        piece = bytes(self._waiting[:frame])
        del self._waiting[:frame]
        return piece
