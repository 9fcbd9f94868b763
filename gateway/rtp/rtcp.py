"""Reports about one stream, both ways (RFC 3550 section 6): what we heard of the peer, and it of us.

Sans-I/O: `due` gives a compound packet when it is time, `receive` takes one. Times are seconds on one monotonic clock;
`wall` is seconds since the epoch, which sender reports carry.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)

from gateway.rtp.receive import Receiver
from gateway.rtp.send import Sender

INTERVAL = 5.0
"""Seconds between two reports on average (section 6.2); each wait is from half of it to one and a half."""

_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_CNAME = 1  # item of a source description (section 6.5.1)


class Rtcp:
    """`round_trip` in s, `far_loss` as a share from 0 to 1 and `far_jitter` in s: what the peer tells, None before."""

    def __init__(
        self, sender: Sender, receiver: Receiver, clock_hz: int, cname: str, chance: Callable[[], float]
    ) -> None:
        self._sender, self._receiver, self._clock_hz = sender, receiver, clock_hz
        self._cname, self._chance = cname.encode(), chance
        self._next: float | None = None
        self._prior = (0, 0)  # expected and received at the last report
        self._reported_ssrc: int | None = None
        self._last_sr: tuple[int, float] | None = None  # the middle of its NTP time stamp, and when it came
        self.round_trip: float | None = None
        self.far_loss: float | None = None
        self.far_jitter: float | None = None
        self.received = 0

    def due(self, now: float, wall: float) -> bytes | None:
        """A report, when it is time for one."""
        if self._next is None:
            self._next = now + INTERVAL * (0.25 + 0.5 * self._chance())  # the first comes sooner (section 6.2)
        if now < self._next:
            return None
        self._next = now + INTERVAL * (0.5 + self._chance())
        return self._report(now, wall)

    def bye(self, now: float, wall: float) -> bytes:
        """The last word (section 6.6)."""
        return self._report(now, wall) + bytes(RtcpByePacket([self._sender.ssrc]))

    def _report(self, now: float, wall: float) -> bytes:
        heard = self._heard(now)
        reports = [heard] if heard else []
        source = RtcpSdesPacket([RtcpSourceInfo(self._sender.ssrc, [(_CNAME, self._cname)])])
        if not self._sender.packets:
            return bytes(RtcpRrPacket(self._sender.ssrc, reports)) + bytes(source)
        info = RtcpSenderInfo(
            ntp_timestamp=_ntp(wall),
            rtp_timestamp=self._sender.timestamp,
            packet_count=self._sender.packets & 0xFFFFFFFF,
            octet_count=self._sender.octets & 0xFFFFFFFF,
        )
        return bytes(RtcpSrPacket(self._sender.ssrc, info, reports)) + bytes(source)

    def _heard(self, now: float) -> RtcpReceiverInfo | None:
        """The report block (section 6.4.1; the arithmetic is that of its appendix A.3)."""
        receiver = self._receiver
        if receiver.ssrc is None:
            return None
        if receiver.ssrc != self._reported_ssrc:
            self._reported_ssrc, self._prior = receiver.ssrc, (0, 0)
        expected, received = receiver.expected, receiver.received
        since, came = expected - self._prior[0], received - self._prior[1]
        self._prior = expected, received
        lost = max(0, since - came)
        last, delay = self._last_sr or (0, now)
        return RtcpReceiverInfo(
            ssrc=receiver.ssrc,
            fraction_lost=min(255, lost * 256 // since) if since > 0 else 0,
            packets_lost=max(-0x800000, min(0x7FFFFF, expected - received)),
            highest_sequence=receiver.highest & 0xFFFFFFFF,
            jitter=int(receiver.stats.jitter * self._clock_hz),
            lsr=last,
            dlsr=int((now - delay) * 65536) if self._last_sr else 0,
        )

    def receive(self, data: bytes, now: float, wall: float) -> bool:
        """A compound packet of the peer's; False for what is none."""
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return False
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                self._last_sr = packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF, now
            if isinstance(packet, RtcpSrPacket | RtcpRrPacket):
                for report in packet.reports:
                    if report.ssrc == self._sender.ssrc:
                        self._told(report, wall)
        self.received += 1
        return True

    def _told(self, report: RtcpReceiverInfo, wall: float) -> None:
        self.far_loss = report.fraction_lost / 256
        self.far_jitter = report.jitter / self._clock_hz
        if report.lsr:
            middle = _ntp(wall) >> 16 & 0xFFFFFFFF
            round_trip = (middle - report.lsr - report.dlsr) & 0xFFFFFFFF
            if round_trip < 60 << 16:  # what is more is a clock that was set, or nonsense
                self.round_trip = round_trip / 65536


def _ntp(wall: float) -> int:
    """64 bits: seconds since 1900 and their fraction."""
    return int((wall + _NTP_EPOCH) * 4294967296)
