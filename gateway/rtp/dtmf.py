"""Telephone-event in and out (RFC 4733)."""

from __future__ import annotations

from struct import pack

DIGITS = "0123456789*#ABCD"

SAME_PRESS_SECONDS = 0.1
"""Packets of one event come every 20 to 50 ms; what comes after more than this is another press."""


SEGMENT = 0xF000
"""Samples: a press that has lasted so long is told in segments, each with a timestamp of its own."""

CLOCK_HZ = 8000


class DigitReceiver:
    """Turns event packets into digits, one for each press, however many packets tell of it or were lost.

    By the standard all packets of a press have the timestamp of its beginning, and no two presses have the same. Some
    senders count the timestamp up within a press, others use one for several: then the end bit, the duration and the
    time between packets tell presses apart.
    """

    def __init__(self) -> None:
        self._key: int | None = None
        self._timestamp = self._duration = self._number = 0
        self._ended = False
        self._at = 0.0

    def push(
        self, payload: bytes, timestamp: int, number: int = 0, marker: bool = False, now: float = 0.0
    ) -> str | None:
        """The digit that begins with this packet, or None. `number` is its extended sequence number, `now` in s."""
        if len(payload) < 4 or payload[0] >= len(DIGITS):
            return None
        key, end, duration = payload[0], bool(payload[1] & 0x80), int.from_bytes(payload[2:4])
        if self._key is not None and number < self._number:
            return None  # an older packet, out of its order
        passed = (timestamp - self._timestamp) & 0xFFFFFFFF
        later = now - self._at > SAME_PRESS_SECONDS or CLOCK_HZ * SAME_PRESS_SECONDS < passed < 1 << 31
        begins = self._begins(key, end, duration, timestamp, marker, later)
        if begins or not self._ended:
            self._duration, self._ended = duration, end
        self._key, self._timestamp, self._number, self._at = key, timestamp, number, now
        return DIGITS[key] if begins else None

    def count_anew(self) -> None:
        """The sequence numbers begin again: what is lower now is not older."""
        self._number = 0

    def _begins(self, key: int, end: bool, duration: int, timestamp: int, marker: bool, later: bool) -> bool:
        if key != self._key:
            return True
        if timestamp == self._timestamp:  # the same press; or another, by a sender that does not count
            return self._ended and (later or (marker and not end))
        if not self._ended and self._duration >= SEGMENT:  # a long press goes on in another segment (section 2.5.1.3)
            return False
        if self._ended:  # another press; or the end told again, by a sender that counts within a press
            return not end or later
        return later or duration < self._duration


def event_payload(digit: str, duration: int, end: bool, volume: int = 10) -> bytes:
    """Section 2.3: event, end bit with volume in -dBm0, duration in RTP clock samples."""
    return pack("!BBH", DIGITS.index(digit), (0x80 if end else 0) | volume, min(duration, 0xFFFF))
