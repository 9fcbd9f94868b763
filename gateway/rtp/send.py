"""The sending side of one RTP stream: sequence numbers, timestamps that run on in silence, marker bits."""

from __future__ import annotations

import secrets
from struct import pack

from gateway.rtp.dtmf import event_payload

FRAME_MS = 20
DIGIT_FRAMES, PAUSE_FRAMES, END_PACKETS = 8, 4, 3
"""A digit lasts 160 ms and is followed by 80 ms of pause, in frames of 20 ms; its end is sent three times."""


class Sender:
    """Makes packets of frames of 20 ms, each of `packet_ms`. Digits that are queued take the place of audio."""

    def __init__(self, payload_type: int, dtmf_payload_type: int | None) -> None:
        self.payload_type = payload_type
        self.dtmf_payload_type = dtmf_payload_type
        self.packets = 0
        self.octets = 0
        self.ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self.timestamp = secrets.randbits(32)
        self.packet_ms = 20
        self._waiting = b""  # of audio, for a packet that is longer than a frame
        self._talking = self._marker = False
        self._digits: list[str] = []
        self._digit_frame = 0

    def queue_digits(self, digits: str) -> None:
        self._digits += digits

    def frame(self, payload: bytes, talking: bool) -> list[bytes]:
        """The packets that are due with this frame. `talking` is False for silence; the marker opens a talkspurt."""
        if self._digits and self.dtmf_payload_type is not None:
            begun = self._cut(len(self._waiting), self.timestamp)  # goes first, as a short packet
            packets = begun + self._digit_packets(len(payload))
        elif self.packet_ms == FRAME_MS and not self._waiting:
            packets = [self._packet(self.payload_type, talking and not self._talking, self.timestamp, payload)]
        else:
            self._marker |= talking and not self._talking
            self._waiting += payload
            packets = self._cut(len(payload) * self.packet_ms // FRAME_MS, self.timestamp + len(payload))
        self._talking = talking
        self.timestamp = (self.timestamp + len(payload)) & 0xFFFFFFFF
        return packets

    def _cut(self, size: int, end: int) -> list[bytes]:
        """Packets of `size` bytes of what waits, which ends at the timestamp `end`."""
        packets = []
        while 0 < size <= len(self._waiting):
            start = (end - len(self._waiting)) & 0xFFFFFFFF
            piece, self._waiting = self._waiting[:size], self._waiting[size:]
            packets.append(self._packet(self.payload_type, self._marker, start, piece))
            self._marker = False
        return packets

    def _digit_packets(self, samples: int) -> list[bytes]:
        frame, self._digit_frame = self._digit_frame, self._digit_frame + 1
        if self._digit_frame == DIGIT_FRAMES + PAUSE_FRAMES:
            self._digits.pop(0)
            self._digit_frame = 0
        if frame >= DIGIT_FRAMES:
            return []
        end = frame == DIGIT_FRAMES - 1
        start = (self.timestamp - frame * samples) & 0xFFFFFFFF
        payload = event_payload(self._digits[0], (frame + 1) * samples, end)
        kind = self.dtmf_payload_type or 0
        return [self._packet(kind, frame == 0, start, payload) for _ in range(END_PACKETS if end else 1)]

    def _packet(self, payload_type: int, marker: bool, timestamp: int, payload: bytes) -> bytes:
        header = pack("!BBHLL", 0x80, marker << 7 | payload_type, self._sequence, timestamp, self.ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.packets += 1
        self.octets += len(payload)
        return header + payload
