from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from gateway.rtp.reorder import Gap, Reorder


def packet(number, timestamp=None):
    stamp = number * 160 if timestamp is None else timestamp
    return RtpPacket(
        payload_type=0,
        sequence_number=number & 0xFFFF,
        timestamp=stamp & 0xFFFFFFFF,
        payload=bytes([number & 0xFF]) * 160,
    )


def first(items):
    return [item if isinstance(item, Gap) else item[0] for item in items]


def test_in_order_nothing_is_held():
    window = Reorder()
    assert [first(window.push(packet(n), 0.0)) for n in (1, 2, 3)] == [[1], [2], [3]]


def test_swapped_packets_come_in_order_without_a_gap():
    window = Reorder()
    window.push(packet(1), 0.0)
    assert first(window.push(packet(3), 0.02)) == []
    assert first(window.push(packet(2), 0.03)) == [2, 3]
    assert (window.lost, window.late) == (0, 0)


def test_a_hole_is_waited_for_and_then_a_gap_of_its_length():
    window = Reorder(0.04)
    window.push(packet(1), 0.0)
    assert window.push(packet(4), 0.02) == []
    assert window.expire(0.05) == []
    assert first(window.expire(0.061)) == [Gap(320, 2), 4]
    assert window.push(packet(2), 0.07) == []
    assert (window.lost, window.late) == (2, 1)


def test_silence_that_the_sender_left_out_is_a_gap_without_loss():
    window = Reorder()
    window.push(packet(1, 160), 0.0)
    assert first(window.push(packet(2, 160 + 1760), 0.2)) == [Gap(1600, 0), 2]


def test_duplicates_and_wrapping_counters():
    window = Reorder()
    window.push(packet(65534), 0.0)
    window.push(packet(65536), 0.0)
    window.push(packet(65536), 0.0)
    assert first(window.push(packet(65535), 0.0)) == [255, 0]
    assert window.duplicate == 1


def test_a_jump_is_a_new_stream():
    window = Reorder()
    window.push(packet(1), 0.0)
    assert first(window.push(packet(20000), 0.0)) == [20000 & 0xFF]


@given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11), max_size=4))
def test_whatever_the_order_the_stream_keeps_its_length_and_order(order, lost):
    window, out = Reorder(0.04), []
    for step, number in enumerate([0, *(n for n in order if n not in lost), 12]):
        out += window.push(packet(number), 0.24 + step * 0.001 if step else 0.0)
    out += window.expire(1.0)
    payloads = [item[0] for item in out if not isinstance(item, Gap)]
    assert payloads == sorted(payloads)
    length = sum(item.samples if isinstance(item, Gap) else 160 for item in out)
    assert length == 13 * 160
