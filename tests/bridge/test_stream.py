"""Packets as networks deliver them, in simulated time: what the agent hears of drift, jitter, reorder and loss."""

import heapq

import numpy as np
import pytest

from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.bridge.media.caller_audio import CallerAudio
from gateway.codecs import CODECS
from gateway.rtp.receive import Receiver
from gateway.rtp.reorder import Gap
from gateway.rtp.source import Trust

PEER = ("192.0.2.10", 4000)


def packet(number, payload, ssrc=7):
    head = bytes([0x80, 0]) + (number % 65536).to_bytes(2, "big") + (number * 160 % 2**32).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + payload


class Line:
    """A receiver and an uplink on a clock that a test moves."""

    def __init__(self, reorder_ms=40):
        self.chunks = []
        self.caller_audio = CallerAudio(
            CODECS["PCMU"].sound, 20, self.chunks.append, BatchUpsample(BatchUpsample.flush)
        )
        self.receiver = Receiver(0, None, 8000, reorder_ms / 1000)
        self.receiver.source.expect(PEER, Trust())

    def run(self, arrivals):
        """`arrivals`: (s, datagram) in any order. A tick every 20 ms of our own clock."""
        heapq.heapify(arrivals)
        end, tick = max(arrivals)[0] + 0.1, 0.0
        while tick < end:
            while arrivals and arrivals[0][0] <= tick:
                now, data = heapq.heappop(arrivals)
                self._deliver(self.receiver.push(data, PEER, now))
            self._deliver(self.receiver.reorder.expire(tick))
            self.caller_audio.tick(self.receiver.reorder.waiting)
            tick += 0.02

    def _deliver(self, items):
        for item in items:
            if isinstance(item, Gap):
                self.caller_audio.gap(item)
            else:
                self.caller_audio.audio(item)

    @property
    def seconds(self):
        return sum(map(len, self.chunks)) / 48000


@pytest.mark.parametrize("ppm", [-100, 100])
def test_an_hour_of_drift_and_jitter_is_heard_in_full_and_nothing_is_made_up(ppm):
    dice = np.random.default_rng(1)
    count = 3600 * 50
    sent = np.arange(count) * 0.02 * (1 - ppm * 1e-6) + dice.uniform(0, 0.03, count)
    line = Line()
    line.run([(float(at), packet(number, b"\x20" * 160)) for number, at in enumerate(sent)])
    assert line.receiver.reorder.lost == line.receiver.reorder.late == 0
    assert line.seconds == pytest.approx(count * 0.02, abs=0.001)


@pytest.mark.parametrize(("jitter_ms", "share"), [(10, 0.0), (35, 0.0), (60, 0.2)])
def test_reordered_packets_are_put_back_as_far_as_the_window_reaches(jitter_ms, share):
    dice = np.random.default_rng(2)
    count = 3000
    arrivals = [
        (number * 0.02 + float(dice.uniform(0, jitter_ms / 1000)), packet(number, bytes([number % 200 + 20]) * 160))
        for number in range(count)
    ]
    line = Line()
    line.run(arrivals)
    reorder = line.receiver.reorder
    assert (reorder.lost + reorder.late) / count <= share
    assert line.seconds == pytest.approx(count * 0.02, abs=0.3)


def test_two_streams_after_each_other_and_loss_in_both_keep_their_length():
    dice = np.random.default_rng(3)
    arrivals = []
    for stream, (start, ssrc) in enumerate(((0.0, 7), (30.0, 8))):
        for number in range(1500):
            if dice.random() > 0.05 or number in (0, 1499):
                data = packet(number + 40000 * stream, b"\x30" * 160, ssrc)
                arrivals.append((start + number * 0.02 + float(dice.uniform(0, 0.02)), data))
    line = Line()
    line.run(arrivals)
    assert line.seconds == pytest.approx(60.0, abs=0.2)
    assert line.receiver.reorder.lost == pytest.approx(150, abs=40)


@pytest.mark.parametrize("burst", [1, 2, 3])
@pytest.mark.parametrize("late_ms", [0, 39])
def test_a_burst_is_concealed_and_not_taken_for_a_pause(burst, late_ms):
    """What waits behind the hole says that the sender went on; until it has waited long enough nothing is made up."""
    arrivals = [
        (number * 0.02 + (late_ms / 1000 if number == 20 + burst else 0.0), packet(number, b"\x10" * 160))
        for number in range(60)
        if not 20 <= number < 20 + burst
    ]
    line = Line()
    line.run(arrivals)
    heard = np.frombuffer(b"".join(line.chunks), np.int16).reshape(-1, 480)
    assert len(heard) == 60
    assert np.abs(heard[20 : 20 + burst].astype(int)).max(axis=1).min() > 1000
