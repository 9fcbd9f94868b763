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
