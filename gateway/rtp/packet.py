"""RTP packets (RFC 3550 section 5.1) and the arithmetic of counters that wrap around."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

_HEADER = Struct("!BBHLL")
_STUN_COOKIE = b"\x21\x12\xa4\x42"


@dataclass(slots=True)
class Packet:
    """What is read of one packet. `timestamp` counts samples of the RTP clock."""

    payload_type: int
    marker: bool
    sequence_number: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """One datagram; None for what is not RTP (RTCP that shares the port included, RFC 5761).

    A padding bit whose count cannot be (0, or more than there is) is passed over: some senders set it and pad nothing.
    """
    if len(data) < 12 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    first, second, number, timestamp, ssrc = _HEADER.unpack_from(data)
    start, end = 12 + 4 * (first & 0x0F), len(data)
    if first & 0x10:  # an extension (section 5.3.1): its length is in words, without its own head
        if end < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    if start > end:
        return None
    if first & 0x20 and data[-1] <= end - start:
        end -= data[-1]
    return Packet(second & 0x7F, second > 0x7F, number, timestamp, ssrc, data[start:end])


def is_stun(data: bytes) -> bool:
    """A STUN message (RFC 8489 section 5), by which some peers keep a NAT open."""
    return len(data) >= 20 and data[0] < 4 and data[4:8] == _STUN_COOKIE


def extend(counter: int, reference: int, bits: int = 16) -> int:
    """The extended value of `counter` that is nearest to `reference`: 2 after 65535 is 65538."""
    span = 1 << bits
    delta = (counter - reference) & (span - 1)
    return reference + (delta - span if delta >= span >> 1 else delta)
