"""Voices that are converted together are what each would have been alone."""

import numpy as np
import pytest

from gateway.bridge.media.batch_upsample import Upstream
from gateway.codecs import Resampler, g711

DICE = np.random.default_rng(3)


class Voice:
    def __init__(self, upstream, law=g711.ULAW):
        self.sound, self.row, self.pcm = law, upstream.join(), b""

    def converted(self, pcm):
        self.pcm += pcm


def alone(codes, law):
    return Resampler(8000, 24000).push(g711.decode(law, np.frombuffer(codes, np.uint8))).tobytes()


@pytest.mark.parametrize("voices", [1, 3, 200])
def test_many_are_converted_as_each_would_be_alone(voices):
    asked = []
    upstream = Upstream(asked.append)
    all_of_them = [Voice(upstream, (g711.ULAW, g711.ALAW)[number % 2]) for number in range(voices)]
    said = {voice: b"" for voice in all_of_them}
    for turn in range(12):
        for voice in all_of_them:
            for _ in range(int(DICE.integers(0, 3))):  # some twice, some not at all
                codes = DICE.integers(0, 256, int(DICE.choice([80, 160, 240]))).astype(np.uint8).tobytes()
                said[voice] += codes
                upstream.put(voice, codes)
        upstream.flush()
        assert len(asked) <= turn + 1
    for voice, codes in said.items():
        assert (
            np.abs(np.frombuffer(voice.pcm, "<i2") - np.frombuffer(alone(codes, voice.sound), "<i2").astype(int)).max(
                initial=0
            )
            <= 1
        )


def test_what_fills_no_block_waits_for_the_next():
    upstream = Upstream(Upstream.flush)
    voice = Voice(upstream)
    codes = DICE.integers(0, 256, 1000).astype(np.uint8).tobytes()
    for at in range(0, 1000, 33):
        upstream.put(voice, codes[at : at + 33])
    assert voice.pcm == alone(codes, g711.ULAW)[: len(voice.pcm)]
    assert len(voice.pcm) // 6 == 1000 // 16 * 16


def test_it_asks_once_for_all_and_again_after_each_flush():
    asked = []
    upstream = Upstream(asked.append)
    one, other = Voice(upstream), Voice(upstream)
    for voice in (one, other, one):
        upstream.put(voice, bytes(160))
    assert len(asked) == 1
    upstream.flush()
    assert (len(one.pcm), len(other.pcm)) == (1920, 960)
    upstream.put(one, bytes(160))
    assert len(asked) == 2


def test_a_row_that_is_given_back_holds_nothing_of_the_last_voice():
    upstream = Upstream(Upstream.flush)
    first = Voice(upstream)
    upstream.put(first, b"\0" * 160)
    row = first.row
    upstream.leave(first)
    second = Voice(upstream)
    assert second.row == row
    upstream.put(first, b"\0" * 160)  # a last packet, too late
    upstream.put(second, b"\xff" * 160)
    assert not any(second.pcm)


def test_who_has_left_is_not_told():
    upstream = Upstream(lambda _: None)
    voice = Voice(upstream)
    upstream.put(voice, bytes(160))
    upstream.leave(voice)
    upstream.flush()
    assert voice.pcm == b""


def test_a_call_that_ends_while_the_batch_is_handed_out_spoils_no_other():
    asked = []
    upstream = Upstream(asked.append)
    first, leaving = Voice(upstream, g711.ULAW), Voice(upstream, g711.ALAW)
    last = next(one for one in iter(lambda: Voice(upstream), None) if one.row == 0)  # row 0 is lent last
    others = [Voice(upstream) for _ in range(64)]  # so that the table grows, and its last row is in use
    neighbour = next(one for one in [last, *others] if one.row == 127)
    first.converted = lambda pcm: leaving.row >= 0 and upstream.leave(leaving)
    upstream.put(first, b"\x20" * 160)
    upstream.put(leaving, b"\x20" * 160)
    upstream.flush()
    upstream.put(neighbour, b"\xff" * 160)
    upstream.flush()
    assert leaving.pcm == b""
    assert not any(neighbour.pcm)


def test_a_bug_in_one_call_is_its_own():
    upstream, faults = Upstream(Upstream.flush), []
    upstream._ask = lambda upstream: None
    one, other = Voice(upstream), Voice(upstream)
    one.converted, one.fault = lambda pcm: 1 / 0, faults.append
    for voice in (one, other):
        upstream.put(voice, b"\x20" * 160)
    upstream.flush()
    assert len(other.pcm) == 960
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
