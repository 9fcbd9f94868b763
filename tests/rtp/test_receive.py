import pytest
from aiortc.rtp import RtpPacket

from gateway.rtp.receive import Receiver
from gateway.rtp.reorder import Gap
from gateway.rtp.source import Trust

PEER, THIEF = ("192.0.2.10", 4000), ("198.51.100.1", 4000)


def receiver():
    one = Receiver(0, 101, 8000, 0.04)
    one.source.expect(PEER, Trust())
    return one


def packet(number, payload_type=0, ssrc=1, timestamp=None, payload=b"x" * 160):
    stamp = number * 160 if timestamp is None else timestamp
    return RtpPacket(
        payload_type=payload_type, sequence_number=number, timestamp=stamp, ssrc=ssrc, payload=payload
    ).serialize()


def test_the_signalled_address_is_listened_to_at_once_and_alone():
    one = receiver()
    assert one.push(packet(1), PEER, 0) == [b"x" * 160]
    assert all(one.push(packet(n), THIEF, 0) == [] for n in range(2, 60))
    assert one.stats.foreign == 58
    assert one.source.current == PEER


def test_garbage_is_counted_and_harms_nothing():
    one = receiver()
    for data in (b"", b"\0" * 50, b"\x80\xc8" + b"\0" * 30, b"GET / HTTP/1.1"):
        assert one.push(data, PEER, 0) == []
    assert one.stats.garbage == 4
    assert one.push(packet(1), PEER, 0)


def test_a_digit_is_its_timestamp():
    """Three end packets, a lost start, and another key (RFC 4733 section 2.5)."""
    one = receiver()
    for n, (stamp, code, end) in enumerate(
        [(800, 1, 0), (800, 1, 0), (800, 1, 0x80), (800, 1, 0x80), (4000, 1, 0x80), (8000, 11, 0)]
    ):
        one.push(packet(n, 101, timestamp=stamp, payload=bytes([code, end | 10, 0, 160])), PEER, 0)
    assert one.digits == ["1", "1", "#"]


def test_another_payload_type_is_a_place_without_audio():
    one = receiver()
    one.push(packet(1), PEER, 0)
    assert one.push(packet(2, payload_type=13), PEER, 0) == []
    assert len(one.push(packet(3), PEER, 0)) == 2  # the gap in its place, then the audio


def test_a_new_ssrc_starts_anew():
    one = receiver()
    one.push(packet(1), PEER, 0)
    assert one.push(packet(40000, ssrc=2), PEER, 0) == [b"x" * 160]


def test_jitter_of_a_steady_stream_is_none():
    one = receiver()
    for n in range(50):
        one.push(packet(n), PEER, n * 0.02)
    assert one.stats.jitter < 1e-9
    one.push(packet(50), PEER, 50 * 0.02 + 0.016)
    assert abs(one.stats.jitter - 0.001) < 1e-9  # a sixteenth of the 16 ms (RFC 3550 appendix A.8)


def test_keys_of_a_sender_that_counts_anew():
    """A transfer at the far end: another SSRC, and lower sequence numbers."""
    one = receiver()
    for n, key in ((60000, 1), (60001, 2)):
        one.push(packet(n, 101, ssrc=1, payload=bytes([key, 0x80, 3, 32])), PEER, n * 0.02)
    for n, key in ((100, 3), (101, 4)):
        one.push(packet(n, 101, ssrc=2, payload=bytes([key, 0x80, 3, 32])), PEER, 1300 + n * 0.02)
    assert one.digits == ["1", "2", "3", "4"]


def test_a_padding_bit_without_padding_does_not_cost_the_audio():
    one = receiver()
    data = bytearray(packet(1, payload=b"x" * 159 + b"\0"))
    data[0] |= 0x20
    assert one.push(bytes(data), PEER, 0) == [b"x" * 159 + b"\0"]
    padded = bytearray(packet(2, payload=b"y" * 160 + b"\0\0\0\4"))
    padded[0] |= 0x20
    assert one.push(bytes(padded), PEER, 0.02) == [b"y" * 160]


@pytest.mark.parametrize("behind", [91, 500, 2999])
@pytest.mark.parametrize("clock_goes_on", [True, False])
def test_a_sender_that_counts_anew_is_heard_again_within_a_few_packets(behind, clock_goes_on):
    """The same SSRC, and sequence numbers behind those that came (RFC 3550 appendix A.1)."""
    one = receiver()
    for n in range(3000, 3200):
        one.push(packet(n), PEER, n * 0.02)
    heard = 0
    for n in range(50):
        stamp = (3200 + n) * 160 if clock_goes_on else n * 160 + 77
        items = one.push(packet(3200 - behind + n, timestamp=stamp), PEER, (3200 + n) * 0.02)
        heard += sum(isinstance(item, bytes) for item in items)
    assert heard >= 46
    assert one.expected <= 60  # the report begins anew, too
    assert one.reorder.lost == 0


def test_packets_that_come_twice_are_no_loss():
    one = receiver()
    for n in range(200):
        one.push(packet(n), PEER, n * 0.02)
        one.push(packet(n), PEER, n * 0.02 + 0.001)
    assert (one.reorder.duplicate, one.reorder.late, one.reorder.lost) == (200, 0, 0)


def test_a_burst_of_copies_is_no_new_count():
    one = receiver()
    for n in range(100):
        one.push(packet(n), PEER, n * 0.02)
    for n in range(90, 100):
        assert one.push(packet(n), PEER, 2.0) == []
    assert one.push(packet(100), PEER, 2.0) == [b"x" * 160]
    assert one.reorder.duplicate == 10


def test_a_clock_that_jumps_makes_nobody_wait():
    """Ten seconds within 20 ms cannot have passed; a pause of two that was kept is a pause of two."""
    one = receiver()
    for n in range(50):
        one.push(packet(n), PEER, n * 0.02)
    items = [item for n in range(50, 100) for item in one.push(packet(n, timestamp=n * 160 + 80000), PEER, n * 0.02)]
    assert sum(item.samples for item in items if isinstance(item, Gap)) <= 400
    pause = one.push(packet(100, timestamp=100 * 160 + 80000 + 16000), PEER, 102 * 0.02 + 2)
    assert pause[0].samples == pytest.approx(16000, abs=400)


def test_a_clock_of_twice_the_rate_does_not_double_the_length():
    one = receiver()
    items = [item for n in range(500) for item in one.push(packet(n, timestamp=n * 320), PEER, n * 0.02)]
    assert sum(item.samples if isinstance(item, Gap) else 160 for item in items) == pytest.approx(80000, abs=400)


def test_a_jump_ahead_that_no_time_explains_is_no_loss():
    one = receiver()
    for n in range(100):
        one.push(packet(n), PEER, n * 0.02)
    items = one.push(packet(900, timestamp=16000), PEER, 2.0) + one.reorder.expire(2.05)
    assert sum(item.samples for item in items if isinstance(item, Gap)) <= 400
    assert one.reorder.lost == 0
