"""The receiving side of one RTP stream: whose packets count, what kind a packet is, and what the network did to it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.dtmf import DigitReceiver
from gateway.rtp.packet import extend, parse
from gateway.rtp.reorder import Gap, Reorder, Switch
from gateway.rtp.source import Address, Source


@dataclass(slots=True)
class ReceiveStats:
    """Counters of one stream; `jitter` in seconds (RFC 3550 section 6.4.1)."""

    packets: int = 0
    octets: int = 0
    garbage: int = 0
    foreign: int = 0  # from an address that is not the peer's
    jitter: float = 0.0


class Receiver:
    """Datagrams in; payloads and gaps in order, and digits, out. `clock_hz` is the RTP clock.

    `payload_types` are those of audio that both sides agreed on, `dtmf_types` of telephone-event.
    """

    def __init__(self, payload_type: int, dtmf_payload_type: int | None, clock_hz: int, window: float) -> None:
        self.payload_types = frozenset({payload_type})
        self.dtmf_types = frozenset(() if dtmf_payload_type is None else {dtmf_payload_type})
        self.stats = ReceiveStats()
        self.reorder = Reorder(window)
        self.reorder.payload_type = payload_type
        self.source = Source()
        self.digits: list[str] = []
        self._clock_hz = clock_hz
        self.ssrc: int | None = None
        self.highest = 0  # sequence number, extended over 16 bits
        self.received = 0  # of this SSRC
        self.heard_at: float | None = None  # when the peer last gave a sign of life, of whatever kind
        self._first = self._restarts = 0
        self._transit: float | None = None
        self._dtmf = DigitReceiver()

    @property
    def expected(self) -> int:
        """Packets that the peer has sent, as far as we can know."""
        return self.highest - self._first + 1 if self.ssrc is not None else 0

    def push(self, data: bytes, source: Address, now: float) -> list[bytes | Gap | Switch]:
        """Audio that is due now; digits are put on `digits`."""
        packet = parse(data)
        if packet is None:
            self.stats.garbage += 1
            return []
        if not self.source.accepts(source, now):
            self.stats.foreign += 1
            return []
        self.heard_at = now
        if packet.ssrc != self.ssrc:
            self.ssrc, self._transit = packet.ssrc, None
            self.reorder.restart()
        self.stats.packets += 1
        self.stats.octets += len(packet.payload)
        audio = packet.payload_type in self.payload_types
        due = self.reorder.push(packet, now, audio)
        self._count(packet.sequence_number)
        if audio:
            self._measure_jitter(packet.timestamp, now)
        elif packet.payload_type in self.dtmf_types:
            number = extend(packet.sequence_number, self.highest)
            if digit := self._dtmf.push(packet.payload, packet.timestamp, number, packet.marker, now):
                self.digits.append(digit)
        return due  # comfort noise and the like have a place, and become silence

    def _count(self, number: int) -> None:
        """For RTCP: what was sent, by its numbers, and what came."""
        if self._restarts != self.reorder.restarts:
            self._restarts = self.reorder.restarts
            self._dtmf.count_anew()
            self.highest, self.received = number, 0
            self._first = number
        self.highest = max(self.highest, extend(number, self.highest))
        self.received += 1

    def _measure_jitter(self, timestamp: int, now: float) -> None:
        transit = now - timestamp / self._clock_hz
        if self._transit is not None and abs(transit - self._transit) < 10:
            self.stats.jitter += (abs(transit - self._transit) - self.stats.jitter) / 16
        self._transit = transit
