"""Two ends of a stream that report to each other, on a fake clock."""

import itertools
import struct

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket

from gateway.rtp.receive import Receiver
from gateway.rtp.rtcp import INTERVAL, Rtcp
from gateway.rtp.send import Sender
from gateway.rtp.source import Trust

HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 4000)
WALL = 1_700_000_000.0


class End:
    def __init__(self, place):
        self.sender, self.receiver = Sender(0, None), Receiver(0, None, 8000, 0.04)
        self.rtcp = Rtcp(self.sender, self.receiver, 8000, "cname", lambda: 0.5)
        self.place = place

    def talk(self, other, now, lose=()):
        """One second of packets, of which those whose number is in `lose` do not come."""
        for number in range(50):
            (data,) = self.sender.frame(b"\xff" * 160, True)
            if number not in lose:
                other.receiver.push(data, self.place, now + number * 0.02)


@pytest.fixture
def ends():
    one, other = End(HERE), End(THERE)
    one.receiver.source.expect(THERE, Trust())
    other.receiver.source.expect(HERE, Trust())
    return one, other


def test_reports_come_every_five_seconds_the_first_sooner(ends):
    one, _ = ends
    times = [now / 10 for now in range(400) if one.rtcp.due(now / 10, WALL)]
    assert times[0] == INTERVAL / 2
    assert {round(after - before, 1) for before, after in itertools.pairwise(times)} == {INTERVAL}


def test_who_only_listens_sends_a_receiver_report_and_who_talks_a_sender_report(ends):
    one, other = ends
    one.talk(other, 0.0)
    report, source = RtcpPacket.parse(other.rtcp._report(1.0, WALL))
    assert isinstance(report, RtcpRrPacket)
    assert report.reports[0].ssrc == one.sender.ssrc
    assert isinstance(source, RtcpSdesPacket)
    assert source.chunks[0].items == [(1, b"cname")]
    report, _ = RtcpPacket.parse(one.rtcp._report(1.0, WALL))
    assert isinstance(report, RtcpSrPacket)
    assert (report.sender_info.packet_count, report.sender_info.octet_count) == (50, 8000)
    assert report.reports == []  # nothing heard yet


def test_loss_is_told_as_a_share_since_the_last_report_and_in_all(ends):
    one, other = ends
    one.talk(other, 0.0, lose={10, 20, 30, 40, 45})
    one.rtcp.receive(other.rtcp._report(1.0, WALL), 1.0, WALL + 1)
    assert one.rtcp.far_loss == pytest.approx(0.1, abs=0.005)
    one.talk(other, 1.0)
    report, _ = RtcpPacket.parse(other.rtcp._report(2.0, WALL))
    assert (report.reports[0].fraction_lost, report.reports[0].packets_lost) == (0, 5)
    assert report.reports[0].highest_sequence & 0xFFFF == (one.sender._sequence - 1) & 0xFFFF


def test_the_round_trip_is_what_is_left_of_the_way_there_and_back(ends):
    """100 ms there, 3 s until the report, 50 ms back."""
    one, other = ends
    one.talk(other, 0.0)
    other.rtcp.receive(one.rtcp._report(1.0, WALL), 1.1, WALL)
    one.rtcp.receive(other.rtcp._report(4.1, WALL), 4.15, WALL + 3.15)
    assert one.rtcp.round_trip == pytest.approx(0.15, abs=0.001)


def test_jitter_is_in_seconds(ends):
    one, other = ends
    for number in range(100):
        (data,) = one.sender.frame(b"\xff" * 160, True)
        other.receiver.push(data, HERE, number * 0.02 + (0.01 if number % 2 else 0.0))
    one.rtcp.receive(other.rtcp._report(3.0, WALL), 3.0, WALL)
    assert one.rtcp.far_jitter == pytest.approx(0.01, abs=0.002)


def test_sequence_numbers_that_wrap_around_are_no_loss(ends):
    one, other = ends
    one.sender._sequence = 65500
    one.talk(other, 0.0)
    one.talk(other, 1.0)
    assert (other.receiver.expected, other.receiver.received) == (100, 100)
    assert other.receiver.highest == 65500 + 99


def test_the_last_word_is_a_bye(ends):
    one, _ = ends
    assert RtcpPacket.parse(one.rtcp.bye(1.0, WALL))[-1] == RtcpByePacket([one.sender.ssrc])


NONSENSE = [
    b"", b"\x80", b"\x81\xc8\x00\x01abcd", bytes(8), b"\x81\xc9\xff\xff" + bytes(20),
    struct.pack("!BBH", 0x9F, 202, 1) + bytes(4),
]  # fmt: skip


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_is_no_report(ends, data):
    one, _ = ends
    one.rtcp.receive(data, 1.0, WALL)
    assert (one.rtcp.far_loss, one.rtcp.round_trip) == (None, None)


def test_a_clock_that_was_set_tells_no_round_trip(ends):
    one, other = ends
    one.talk(other, 0.0)
    other.rtcp.receive(one.rtcp._report(1.0, WALL), 1.1, WALL)
    one.rtcp.receive(other.rtcp._report(4.1, WALL), 4.15, WALL - 500)
    assert one.rtcp.round_trip is None
