from gateway.bridge.passing import CODED_FRAME, MOST, WANTED, Passing


def test_frames_come_out_as_bytes_went_in():
    passing = Passing()
    codes = bytes(range(256)) * 2
    passing.put(codes[:100])
    assert passing.take() == b""
    passing.put(codes[100:])
    assert passing.take() + passing.take() + passing.take() == codes[: 3 * CODED_FRAME]
    assert passing.take() == b""


def test_what_is_too_late_is_dropped_so_that_talk_stays_quick():
    passing = Passing()
    passing.put(bytes(MOST))
    assert len(passing.take()) == CODED_FRAME
    passing.put(b"\x01" * (CODED_FRAME + 1) + b"\x02" * WANTED)
    assert passing.take() + passing.take() == b"\x02" * WANTED
    assert passing.take() == b""
