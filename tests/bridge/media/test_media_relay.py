from gateway.bridge.media.media_relay import MOST, WANTED, MediaRelay
from gateway.codecs import WIDE, g711

FRAME = 160


def test_frames_come_out_as_bytes_went_in():
    passing = MediaRelay(g711.ULAW)
    codes = bytes(range(256)) * 2
    passing.put(codes[:100], g711.ULAW)
    assert passing.take() == b""
    passing.put(codes[100:], g711.ULAW)
    assert passing.take() + passing.take() + passing.take() == codes[: 3 * FRAME]
    assert passing.take() == b""


def test_what_is_too_late_is_dropped_so_that_talk_stays_quick():
    passing = MediaRelay(g711.ULAW)
    passing.put(bytes(MOST * FRAME), g711.ULAW)
    assert len(passing.take()) == FRAME
    passing.put(b"\x01" * (FRAME + 1) + b"\x02" * WANTED * FRAME, g711.ULAW)
    assert passing.take() + passing.take() == b"\x02" * WANTED * FRAME
    assert passing.take() == b""


def test_parties_of_different_codecs_hear_each_other():
    passing = MediaRelay(WIDE)
    passing.put(g711.ULAW.quiet(320), g711.ULAW)
    assert passing.take() == passing.take() == WIDE.quiet(320)
    passing.put(WIDE.quiet(320), WIDE)
    assert passing.take() == WIDE.quiet(320)
