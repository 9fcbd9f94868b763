"""What one party says on its way to another that it was joined with: G.711, as it is."""

from __future__ import annotations

CODED_FRAME = 160  # bytes of 20 ms
MOST, WANTED = 800, 320
"""Bytes that wait: beyond 100 ms the oldest go, down to 40 ms."""


class Passing:
    """One direction."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    def put(self, codes: bytes) -> None:
        self._waiting += codes

    def take(self) -> bytes:
        """The next 20 ms; empty where there is not enough."""
        if len(self._waiting) > MOST:
            del self._waiting[: len(self._waiting) - WANTED]
        if len(self._waiting) < CODED_FRAME:
            return b""
        piece = bytes(self._waiting[:CODED_FRAME])
        del self._waiting[:CODED_FRAME]
        return piece
