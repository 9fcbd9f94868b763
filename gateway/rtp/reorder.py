"""A window that puts RTP packets back in order and says what is missing.

A packet that is in order passes at once: nothing is held for smoothing, for the listener is a machine with a buffer of
its own. Behind a hole packets wait, at most `window` seconds; then the hole is declared a `Gap`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.packet import RtpPacket, extend

MAX_GAP = 3000
"""A jump of more sequence numbers than this, either way, is a new stream and not a loss (RFC 3550 appendix A.1)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that is missing: `samples` at the RTP clock, for loss and for suppressed silence alike."""

    samples: int
    lost: int  # packets; 0 where the sender itself paused


class Reorder:
    """Push packets, get payloads and gaps in order. `frame` is what one packet is expected to hold, in samples."""

    def __init__(self, window: float = 0.040, frame: int = 160) -> None:
        self._window = window
        self._frame = frame
        self._next: int | None = None  # extended sequence number that is due
        self._end = 0  # RTP timestamp (extended) at which that packet should begin
        self._held: dict[int, tuple[RtpPacket, float, bool]] = {}
        self.late = 0
        self.duplicate = 0
        self.lost = 0

    def push(self, packet: RtpPacket, now: float, audio: bool = True) -> list[bytes | Gap]:
        """`audio` is False for a packet that only has a place in the sequence: a telephone-event, comfort noise."""
        if self._next is None:
            self._next, self._end = packet.sequence_number, packet.timestamp
        number = extend(packet.sequence_number, self._next)
        if abs(number - self._next) > MAX_GAP:
            self.restart()
            return self.push(packet, now, audio)
        if number < self._next:
            self.late += 1
            return []
        if number in self._held:
            self.duplicate += 1
            return []
        self._held[number] = (packet, now, audio)
        return self._release(now)

    def expire(self, now: float) -> list[bytes | Gap]:
        """What a hole has kept waiting too long; call it once a frame."""
        return self._release(now) if self._held else []

    @property
    def waiting(self) -> bool:
        """Packets wait behind a hole: the sender has not paused."""
        return bool(self._held)

    def restart(self) -> None:
        """The next packet begins a new stream (another SSRC, or a jump)."""
        self._next = None
        self._held.clear()

    def _release(self, now: float) -> list[bytes | Gap]:
        out: list[bytes | Gap] = []
        while self._held:
            assert self._next is not None
            if self._next not in self._held:
                if now - min(since for _, since, _ in self._held.values()) < self._window:
                    break
                lost = min(self._held) - self._next
                self.lost += lost
                self._next += lost
            else:
                lost = 0
            packet, _, audio = self._held.pop(self._next)
            self._next += 1
            if audio:
                self._append(out, packet, lost)
        return out

    def _append(self, out: list[bytes | Gap], packet: RtpPacket, lost: int) -> None:
        """Time counts, not packets: the gap is what the timestamps say, so that the stream keeps its length."""
        start = extend(packet.timestamp, self._end, bits=32)
        missing = start - self._end
        if 0 < missing <= MAX_GAP * self._frame:
            out.append(Gap(missing, lost))
        out.append(packet.payload)
        self._end = start + len(packet.payload)
