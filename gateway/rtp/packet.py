"""RTP packets (RFC 3550 section 5.1) and the arithmetic of counters that wrap around."""

from __future__ import annotations

from aiortc.rtp import RtpPacket

__all__ = ["RtpPacket", "extend", "parse"]


def parse(data: bytes) -> RtpPacket | None:
    """One datagram; None for what is not RTP (RTCP that shares the port included, RFC 5761)."""
    if len(data) < 12 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    try:
        return RtpPacket.parse(data)
    except ValueError:
        return None


def extend(counter: int, reference: int, bits: int = 16) -> int:
    """The extended value of `counter` that is nearest to `reference`: 2 after 65535 is 65538."""
    span = 1 << bits
    delta = (counter - reference) & (span - 1)
    return reference + (delta - span if delta >= span >> 1 else delta)
