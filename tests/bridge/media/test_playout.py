import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.bridge.media.playout import MAX_SECONDS, Playout
from gateway.realtime import Heard


def tone(samples, value=1000):
    return np.full(samples, value, np.int16).tobytes()


def test_frames_come_out_as_they_went_in_and_the_end_is_filled_up():
    playout = Playout()
    playout.put("a", 0, tone(600))
    assert (playout.take(480) == 1000).all()
    last = playout.take(480)
    assert (last[:120] == 1000).all()
    assert not last[120:].any()
    assert playout.take(480) is None
    assert playout.empty


def test_the_next_item_follows_in_the_same_frame():
    playout = Playout()
    playout.put("a", 0, tone(240, 1))
    playout.put("b", 0, tone(480, 2))
    frame = playout.take(480)
    assert (frame[:240] == 1).all()
    assert (frame[240:] == 2).all()
    assert playout.flush() == [Heard("a", 0, 10), Heard("b", 0, 15)]  # 10 ms, and 5 of fading


def test_a_flush_fades_within_5_ms_and_says_what_was_heard():
    playout = Playout()
    playout.put("a", 0, tone(24000))
    for _ in range(10):
        playout.take(480)
    assert playout.flush() == [Heard("a", 0, 205)]
    assert not playout.empty
    tail = playout.take(480).astype(int)
    assert tail[0] == 1000
    assert (np.diff(tail[:121]) <= 0).all()
    assert not tail[120:].any()
    assert playout.take(480) is None
    assert playout.flush() == []


def test_what_was_never_begun_leaves_no_trace():
    playout = Playout()
    playout.put("a", 0, tone(4800))
    assert playout.flush() == [Heard("a", 0, 0)]
    assert playout.take(480) is None


def test_what_was_heard_to_the_end_is_still_told_for_more_of_it_may_come():
    playout = Playout()
    playout.put("a", 0, tone(480))
    playout.take(480)
    assert playout.flush() == [Heard("a", 0, 20)]


def test_new_speech_after_a_flush_is_whole():
    playout = Playout()
    playout.put("a", 0, tone(4800))
    playout.take(480)
    playout.flush()
    playout.put("b", 0, tone(480, 7))
    assert not (playout.take(480) == 7).any()  # the fading first
    assert (playout.take(480) == 7).all()


def test_a_provider_that_never_ends_is_bounded():
    playout = Playout()
    second = tone(24000)
    for _ in range(MAX_SECONDS + 3):
        playout.put("a", 0, second)
    played = playout.take(24000 * (MAX_SECONDS + 3))
    assert played[24000 * (MAX_SECONDS - 1)] != 0
    assert not played[24000 * MAX_SECONDS :].any()
    assert playout.dropped == 3 * 24000


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_deltas_of_any_length_also_odd_ones_make_the_same_speech(lengths):
    whole = np.arange(sum(lengths) // 2, dtype=np.int16).tobytes()
    playout, at = Playout(), 0
    for length in lengths:
        playout.put("a", 0, whole[at : at + length])
        at += length
    out = []
    while (frame := playout.take(480)) is not None:
        out.append(frame)
    played = np.concatenate(out).tobytes() if out else b""
    assert played[: len(whole)] == whole
    assert not any(played[len(whole) :])
    assert playout.flush() == [Heard("a", 0, len(whole) // 48)]


def test_a_pause_fades_keeps_the_rest_and_goes_on_without_a_click():
    playout = Playout()
    playout.put("a", 0, tone(4800))
    playout.take(480)
    playout.pause(True)
    fading = playout.take(480)
    assert fading[0] == 1000
    assert not fading[120:].any()
    assert playout.take(480) is None
    assert not playout.empty
    playout.put("a", 0, tone(480))  # more comes meanwhile
    playout.pause(False)
    frames = []
    while (frame := playout.take(480)) is not None:
        frames.append(frame)
    rest = np.concatenate(frames)
    assert len(rest) == 4800  # 5280 less what was taken and faded, filled up to a whole frame
    assert np.abs(np.diff(rest[: 4800 - 120].astype(int))).max() <= 20
    assert rest[200:4600].min() == 1000
    assert playout.flush() == [Heard("a", 0, 220)]


def test_what_was_heard_before_a_pause_is_all_that_counts_when_it_ends_for_good():
    playout = Playout()
    playout.put("a", 0, tone(4800))
    playout.take(480)
    playout.pause(True)
    playout.take(480)
    assert playout.flush() == [Heard("a", 0, 25)]  # 20 ms and the fading
    assert playout.take(480) is None
    playout.put("b", 0, tone(480))
    assert playout.take(480).any()  # the pause is over


def test_a_long_talk_without_an_interruption_does_not_grow():
    playout = Playout()
    for number in range(1000):
        playout.put(f"item_{number}", 0, tone(480))
        assert (playout.take(480) == 1000).all()
    heard = playout.flush()
    assert len(heard) == 64
    assert heard[-1] == Heard("item_999", 0, 20)


def test_more_items_than_are_remembered_may_wait():
    playout = Playout()
    for number in range(200):
        playout.put(f"item_{number}", 0, tone(480))
    assert sum((playout.take(480) == 1000).all() for _ in range(200)) == 200
    assert playout.empty
