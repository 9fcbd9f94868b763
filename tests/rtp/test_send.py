import pytest
from aiortc.rtp import RtpPacket

from gateway.rtp.send import Sender


def test_time_runs_on_in_silence_and_the_marker_opens_a_talkspurt():
    sender = Sender(8, None)
    packets = [RtpPacket.parse(sender.frame(b"x" * 160, talking)[0]) for talking in (False, True, True, False, True)]
    assert [one.marker for one in packets] == [0, 1, 0, 0, 1]
    assert [(one.timestamp - packets[0].timestamp) % 2**32 for one in packets] == [0, 160, 320, 480, 640]
    assert [(one.sequence_number - packets[0].sequence_number) % 2**16 for one in packets] == [0, 1, 2, 3, 4]
    assert {one.payload_type for one in packets} == {8}
    assert sender.packets == 5


def test_a_digit_is_one_event_with_three_ends_and_a_pause():
    sender = Sender(0, 101)
    sender.queue_digits("5#")
    frames = [[RtpPacket.parse(data) for data in sender.frame(b"x" * 160, False)] for _ in range(26)]
    events = [one for frame in frames for one in frame if one.payload_type == 101]
    assert [len(frame) for frame in frames[:13]] == [1] * 7 + [3] + [0] * 4 + [1]
    assert len({one.timestamp for one in events}) == 2
    assert [one.payload[0] for one in events] == [5] * 10 + [11] * 10
    assert [one.payload[1] >> 7 for one in events[:10]] == [0] * 7 + [1] * 3
    assert events[0].marker == 1
    assert frames[25][0].payload_type == 0


@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
def test_packets_of_any_length_carry_the_same_audio_on_the_same_clock(ms):
    sender = Sender(0, None)
    sender.packet_ms = ms
    start = sender.timestamp
    frames = [bytes([number]) * 160 for number in range(12)]
    packets = [RtpPacket.parse(data) for frame in frames for data in sender.frame(frame, True)]
    assert {len(one.payload) for one in packets} == {ms * 8}
    assert b"".join(one.payload for one in packets) == b"".join(frames)
    assert [(one.timestamp - start) % 2**32 for one in packets] == [number * ms * 8 for number in range(240 // ms)]
    assert [one.marker for one in packets] == [1] + [0] * (len(packets) - 1)
    assert sender.packets == 240 // ms


def test_a_digit_cuts_a_long_packet_short_and_the_clock_runs_on():
    sender = Sender(0, 101)
    sender.packet_ms = 60
    start = sender.timestamp
    assert sender.frame(b"a" * 160, True) == []
    sender.queue_digits("5")
    short, event = (RtpPacket.parse(data) for data in sender.frame(b"b" * 160, True))
    assert (short.payload, short.payload_type, (short.timestamp - start) % 2**32) == (b"a" * 160, 0, 0)
    assert (event.payload_type, (event.timestamp - start) % 2**32) == (101, 160)


def test_a_length_that_changes_in_mid_call_loses_nothing():
    sender = Sender(0, None)
    sender.packet_ms = 40
    sent = sender.frame(b"a" * 160, True)
    sender.packet_ms = 20
    sent += sender.frame(b"b" * 160, True) + sender.frame(b"c" * 160, True)
    packets = [RtpPacket.parse(data) for data in sent]
    assert b"".join(one.payload for one in packets) == b"a" * 160 + b"b" * 160 + b"c" * 160
