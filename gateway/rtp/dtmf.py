"""Telephone-event in and out (RFC 4733). An event is known by its RTP timestamp, never by the marker bit."""

from __future__ import annotations

from struct import pack

DIGITS = "0123456789*#ABCD"


class DigitReceiver:
    """Turns event packets into digits: one for each new timestamp, however many packets tell of it or were lost."""

    def __init__(self) -> None:
        self._last_timestamp: int | None = None

    def push(self, payload: bytes, timestamp: int) -> str | None:
        """The digit that begins with this packet, or None."""
        if len(payload) < 4 or payload[0] >= len(DIGITS) or timestamp == self._last_timestamp:
            return None
        self._last_timestamp = timestamp
        return DIGITS[payload[0]]


def event_payload(digit: str, duration: int, end: bool, volume: int = 10) -> bytes:
    """Section 2.3: event, end bit with volume in -dBm0, duration in RTP clock samples."""
    return pack("!BBH", DIGITS.index(digit), (0x80 if end else 0) | volume, min(duration, 0xFFFF))
