"""The receiving side of one RTP stream: who may send, what kind a packet is, and what the network did to it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.dtmf import DigitReceiver
from gateway.rtp.packet import extend, parse
from gateway.rtp.reorder import Gap, Reorder

Address = tuple[str, int]

LOCK_AFTER = 5
"""Packets in a row that one source has to send before it is followed to another address than the signalled one."""


@dataclass(slots=True)
class ReceiveStats:
    """Counters of one stream; `jitter` in seconds (RFC 3550 section 6.4.1)."""

    packets: int = 0
    octets: int = 0
    garbage: int = 0
    foreign: int = 0  # from an address that is not the peer's
    jitter: float = 0.0


class Receiver:
    """Datagrams in; payloads and gaps in order, and digits, out. `clock_hz` is the RTP clock."""

    def __init__(self, payload_type: int, dtmf_payload_type: int | None, clock_hz: int, window: float) -> None:
        self.payload_type = payload_type
        self.dtmf_payload_type = dtmf_payload_type
        self.stats = ReceiveStats()
        self.reorder = Reorder(window)
        self.source: Address | None = None  # once locked, the only address that is listened to
        self.digits: list[str] = []
        self._expected: Address | None = None
        self._candidate: tuple[Address, int] = (("", 0), 0)
        self._clock_hz = clock_hz
        self.ssrc: int | None = None
        self.highest = 0  # sequence number, extended over 16 bits
        self.received = 0  # of this SSRC
        self._first = 0
        self._transit: float | None = None
        self._dtmf = DigitReceiver()

    @property
    def expected(self) -> int:
        """Packets that the peer has sent, as far as we can know."""
        return self.highest - self._first + 1 if self.ssrc is not None else 0

    def expect(self, remote: Address) -> None:
        """The address that the signalling promised; unlocks, so that a re-INVITE can move the stream."""
        self._expected, self.source = remote, None
        self._candidate = (("", 0), 0)

    def push(self, data: bytes, source: Address, now: float) -> list[bytes | Gap]:
        """Audio that is due now; digits are put on `digits`."""
        if self.source is not None and source != self.source:
            self.stats.foreign += 1
            return []
        packet = parse(data)
        if packet is None:
            self.stats.garbage += 1
            return []
        if self.source is None and not self._lock(source):
            return []
        if packet.ssrc != self.ssrc:
            self.ssrc, self._transit = packet.ssrc, None
            self.highest = self._first = packet.sequence_number
            self.received = 0
            self.reorder.restart()
        self.highest = max(self.highest, extend(packet.sequence_number, self.highest))
        self.received += 1
        self.stats.packets += 1
        self.stats.octets += len(packet.payload)
        if packet.payload_type == self.dtmf_payload_type:
            if digit := self._dtmf.push(packet.payload, packet.timestamp):
                self.digits.append(digit)
            return self.reorder.push(packet, now, audio=False)
        if packet.payload_type != self.payload_type:  # comfort noise and the like: its time becomes silence
            return self.reorder.push(packet, now, audio=False)
        self._measure_jitter(packet.timestamp, now)
        return self.reorder.push(packet, now)

    def _lock(self, source: Address) -> bool:
        """The signalled address is taken at once; behind NAT another one is, after a few packets in a row."""
        known, count = self._candidate
        self._candidate = (source, count + 1 if source == known else 1)
        if source == self._expected or self._candidate[1] >= LOCK_AFTER:
            self.source = source
            return True
        self.stats.foreign += 1
        return False

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        transit = now - timestamp / self._clock_hz
        if self._transit is not None and abs(transit - self._transit) < 10:
            self.stats.jitter += (abs(transit - self._transit) - self.stats.jitter) / 16
        self._transit = transit
