"""A window that puts RTP packets back in order and says what is missing.

A packet that is in order passes at once: nothing is held for smoothing, for the listener is a machine with a buffer of
its own. Behind a hole packets wait, at most `window` seconds; then the hole is declared a `Gap`.

Timestamps say how long a pause was, and the wall clock says how long it can have been: a sender whose timestamps jump,
or count at another rate than they should, makes nobody wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.rtp.packet import Packet, extend

MAX_GAP = 3000
"""A jump of more sequence numbers than this, either way, is a new stream and not a loss (RFC 3550 appendix A.1)."""

RESYNC_AFTER = 3
"""Packets in a row, each behind those that were played: the sender has begun to count anew."""

RESYNC_SECONDS = 0.04
"""For which they have to come, unless their timestamps go on: what was only delayed comes in one burst."""

REMEMBERED = 128
"""Sequence numbers of packets that came, at least: 2.5 s of them, for telling those that come twice."""

REANCHOR_SECONDS = 0.5
"""A stream that comes so much later than it did, with timestamps that say nothing of it, has a new clock."""

AUDIO_HZ = 8000
"""RTP clock of every codec here (G.722 too, RFC 3551 section 4.5.2)."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that is missing: `samples` at the RTP clock, for loss and for suppressed silence alike."""

    samples: int
    lost: int  # packets; 0 where the sender itself paused


@dataclass(frozen=True, slots=True)
class Switch:
    """What follows has another payload type."""

    payload_type: int


@dataclass(slots=True)
class _Held:
    packet: Packet
    arrived: float
    audio: bool


class Reorder:
    """Push packets, get payloads and gaps in order. `frame` is what one packet is expected to hold, in samples."""

    def __init__(self, window: float = 0.040, frame: int = 160) -> None:
        self._window = window
        self._frame = frame
        self._next: int | None = None  # extended sequence number that is due
        self._end = 0  # RTP timestamp (extended) at which that packet should begin
        self._held: dict[int, _Held] = {}
        self._came: dict[int, int] = {}  # sequence number to timestamp, of the latest packets
        self._behind = (0, 0, 0.0)  # packets in a row that are behind: the last number, how many, since when
        self._emitted = 0  # samples, payloads and gaps, since the stream began
        self._anchor: float | None = None  # when the first sample would have come, had it come as early as any since
        self.payload_type: int | None = None  # of the latest payload
        self.restarts = 0
        self.late = 0
        self.duplicate = 0
        self.lost = 0

    def push(self, packet: Packet, now: float, audio: bool = True) -> list[bytes | Gap | Switch]:
        """`audio` is False for a packet that only has a place in the sequence: a telephone-event, comfort noise."""
        if self._next is None:
            self._next, self._end = packet.sequence_number, packet.timestamp
        number = extend(packet.sequence_number, self._next)
        if abs(number - self._next) > MAX_GAP:
            self.restart()
            return self.push(packet, now, audio)
        if number in self._held or (number < self._next and self._came.get(number) == packet.timestamp):
            self.duplicate += 1
            return []
        if number < self._next:
            if not self._counts_anew(number, packet, now):
                self.late += 1
                return []
            self.restart()
            return self.push(packet, now, audio)
        self._behind = (0, 0, 0.0)
        self._held[number] = _Held(packet, now, audio)
        self._remember(number, packet.timestamp)
        return self._release(now)

    def _remember(self, number: int, timestamp: int) -> None:
        self._came[number] = timestamp
        if len(self._came) > 2 * REMEMBERED:
            self._came = dict(list(self._came.items())[-REMEMBERED:])

    def _counts_anew(self, number: int, packet: Packet, now: float) -> bool:
        """RFC 3550 appendix A.1: packets in sequence, though behind, are a sender that was started again."""
        last, count, since = self._behind
        count, since = (count + 1, since) if count and number == last + 1 else (1, now)
        self._behind = number, count, since
        goes_on = extend(packet.timestamp, self._end, bits=32) >= self._end
        return count >= RESYNC_AFTER and (goes_on or now - since >= RESYNC_SECONDS)

    def expire(self, now: float) -> list[bytes | Gap | Switch]:
        """What a hole has kept waiting too long; call it once a frame."""
        return self._release(now) if self._held else []

    @property
    def waiting(self) -> bool:
        """Packets wait behind a hole: the sender has not paused."""
        return bool(self._held)

    def restart(self) -> None:
        """The next packet begins a new stream (another SSRC, or a jump)."""
        self.restarts += 1
        self._next, self._anchor = None, None
        self._behind = (0, 0, 0.0)
        self._held.clear()
        self._came.clear()

    def _release(self, now: float) -> list[bytes | Gap | Switch]:
        out: list[bytes | Gap | Switch] = []
        while self._held:
            assert self._next is not None
            if self._next not in self._held:
                first = min(self._held)
                if now - min(one.arrived for one in self._held.values()) < self._window:
                    break
                lost = first - self._next
                if lost * self._frame > self._room(self._held[first].arrived) + AUDIO_HZ * REANCHOR_SECONDS:
                    lost = 0  # nobody can have sent so many since: a jump, and no loss
                    self.restarts += 1
                self.lost += lost
                self._next = first
            else:
                lost = 0
            held = self._held.pop(self._next)
            self._next += 1
            if held.audio:
                self._append(out, held.packet, held.arrived, lost)
        return out

    def _room(self, arrived: float) -> int:
        """Samples that a packet which arrived then can have been preceded by, beyond what was handed on."""
        if self._anchor is None:
            return 0
        return int((arrived - self._anchor + self._window) * AUDIO_HZ) - self._emitted

    def _append(self, out: list[bytes | Gap | Switch], packet: Packet, arrived: float, lost: int) -> None:
        """Time counts, not packets: the gap is what the timestamps say, as far as so much time has passed."""
        if self._anchor is None:
            self._emitted, self._anchor = 0, arrived
        start = extend(packet.timestamp, self._end, bits=32)
        missing = min(start - self._end, self._room(arrived))
        if start == self._end:
            self._keep_anchor(arrived)
        elif missing > 0:
            out.append(Gap(missing, lost))
            self._emitted += missing
        if self.payload_type is None:
            self.payload_type = packet.payload_type
        elif packet.payload_type != self.payload_type:
            self.payload_type = packet.payload_type
            out.append(Switch(packet.payload_type))
        out.append(packet.payload)
        self._emitted += len(packet.payload)
        self._end = start + len(packet.payload)

    def _keep_anchor(self, arrived: float) -> None:
        """By packets whose timestamps are in order: the earliest of them is the one that was not held up."""
        assert self._anchor is not None
        anchor = arrived - self._emitted / AUDIO_HZ
        if anchor < self._anchor or anchor > self._anchor + REANCHOR_SECONDS:
            self._anchor = anchor
