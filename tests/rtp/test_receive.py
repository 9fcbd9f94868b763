from aiortc.rtp import RtpPacket

from gateway.rtp.receive import LOCK_AFTER, Receiver

PEER, THIEF = ("192.0.2.10", 4000), ("198.51.100.1", 4000)


def receiver():
    one = Receiver(0, 101, 8000, 0.04)
    one.expect(PEER)
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
    assert one.source == PEER


def test_behind_nat_another_address_is_taken_after_some_packets_in_a_row():
    one = receiver()
    got = [bool(one.push(packet(n), THIEF, 0)) for n in range(1, LOCK_AFTER + 2)]
    assert got == [False] * (LOCK_AFTER - 1) + [True, True]


def test_two_strangers_in_turn_are_never_taken():
    one = receiver()
    for n in range(40):
        one.push(packet(n), THIEF if n % 2 else ("203.0.113.9", 1), 0)
    assert one.source is None


def test_a_reinvite_can_move_the_stream():
    one = receiver()
    one.push(packet(1), PEER, 0)
    one.expect(THIEF)
    assert one.push(packet(2), THIEF, 0)


def test_garbage_is_counted_and_harms_nothing():
    one = receiver()
    for data in (b"", b"\0" * 50, b"\x80\xc8" + b"\0" * 30, b"GET / HTTP/1.1"):
        assert one.push(data, PEER, 0) == []
    assert one.stats.garbage == 4
    assert one.push(packet(1), PEER, 0)


def test_a_digit_is_its_timestamp():
    """Three end packets, a lost start, and the same key again (RFC 4733 section 2.5)."""
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
