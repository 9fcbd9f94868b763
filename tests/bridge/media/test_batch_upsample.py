"""Voices that are converted together are what each would have been alone."""

import numpy as np
import pytest

from gateway.bridge.media.batch_upsample import BatchUpsample
from gateway.codecs import Resampler, g711

DICE = np.random.default_rng(3)


class Voice:
    def __init__(self, upsample, law=g711.ULAW):
        self.sound, self.row, self.pcm = law, upsample.join(), b""

    def converted(self, pcm):
        self.pcm += pcm


def alone(codes, law):
    return Resampler(8000, 24000).push(g711.decode(law, np.frombuffer(codes, np.uint8))).tobytes()


@pytest.mark.parametrize("voices", [1, 3, 200])
def test_many_are_converted_as_each_would_be_alone(voices):
    asked = []
    upsample = BatchUpsample(asked.append)
    all_of_them = [Voice(upsample, (g711.ULAW, g711.ALAW)[number % 2]) for number in range(voices)]
    said = {voice: b"" for voice in all_of_them}
    for turn in range(12):
        for voice in all_of_them:
            for _ in range(int(DICE.integers(0, 3))):  # some twice, some not at all
                codes = DICE.integers(0, 256, int(DICE.choice([80, 160, 240]))).astype(np.uint8).tobytes()
                said[voice] += codes
                upsample.put(voice, codes)
        upsample.flush()
        assert len(asked) <= turn + 1
    for voice, codes in said.items():
        assert (
            np.abs(np.frombuffer(voice.pcm, "<i2") - np.frombuffer(alone(codes, voice.sound), "<i2").astype(int)).max(
                initial=0
            )
            <= 1
        )


def test_what_fills_no_block_waits_for_the_next():
    upsample = BatchUpsample(BatchUpsample.flush)
    voice = Voice(upsample)
    codes = DICE.integers(0, 256, 1000).astype(np.uint8).tobytes()
    for at in range(0, 1000, 33):
        upsample.put(voice, codes[at : at + 33])
    ours, theirs = (np.frombuffer(one, "<i2").astype(int) for one in (voice.pcm, alone(codes, g711.ULAW)))
    assert np.abs(ours - theirs[: len(ours)]).max() <= 1  # sums of another order may round to the other side
    assert len(voice.pcm) // 6 == 1000 // 16 * 16


def test_it_asks_once_for_all_and_again_after_each_flush():
    asked = []
    upsample = BatchUpsample(asked.append)
    one, other = Voice(upsample), Voice(upsample)
    for voice in (one, other, one):
        upsample.put(voice, bytes(160))
    assert len(asked) == 1
    upsample.flush()
    assert (len(one.pcm), len(other.pcm)) == (1920, 960)
    upsample.put(one, bytes(160))
    assert len(asked) == 2


def test_a_row_that_is_given_back_holds_nothing_of_the_last_voice():
    upsample = BatchUpsample(BatchUpsample.flush)
    first = Voice(upsample)
    upsample.put(first, b"\0" * 160)
    row = first.row
    upsample.leave(first)
    second = Voice(upsample)
    assert second.row == row
    upsample.put(first, b"\0" * 160)  # a last packet, too late
    upsample.put(second, b"\xff" * 160)
    assert not any(second.pcm)


def test_who_has_left_is_not_told():
    upsample = BatchUpsample(lambda _: None)
    voice = Voice(upsample)
    upsample.put(voice, bytes(160))
    upsample.leave(voice)
    upsample.flush()
    assert voice.pcm == b""


def test_a_call_that_ends_while_the_batch_is_handed_out_spoils_no_other():
    asked = []
    upsample = BatchUpsample(asked.append)
    first, leaving = Voice(upsample, g711.ULAW), Voice(upsample, g711.ALAW)
    last = next(one for one in iter(lambda: Voice(upsample), None) if one.row == 0)  # row 0 is lent last
    others = [Voice(upsample) for _ in range(64)]  # so that the table grows, and its last row is in use
    neighbour = next(one for one in [last, *others] if one.row == 127)
    first.converted = lambda pcm: leaving.row >= 0 and upsample.leave(leaving)
    upsample.put(first, b"\x20" * 160)
    upsample.put(leaving, b"\x20" * 160)
    upsample.flush()
    upsample.put(neighbour, b"\xff" * 160)
    upsample.flush()
    assert leaving.pcm == b""
    assert not any(neighbour.pcm)


def test_a_bug_in_one_call_is_its_own():
    upsample, faults = BatchUpsample(BatchUpsample.flush), []
    upsample._ask = lambda upsample: None
    one, other = Voice(upsample), Voice(upsample)
    one.converted, one.fault = lambda pcm: 1 / 0, faults.append
    for voice in (one, other):
        upsample.put(voice, b"\x20" * 160)
    upsample.flush()
    assert len(other.pcm) == 960
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
