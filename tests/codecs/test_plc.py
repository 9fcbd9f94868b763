"""What is made up against what was lost, in numbers."""

import numpy as np
import pytest

from gateway.codecs.plc import FADED, FULL, Concealer
from tests.speech import narrowband

MOMENT = np.arange(8000) / 8000


def frames(samples):
    return [samples[at : at + 160].astype(np.int16) for at in range(0, len(samples) - 159, 160)]


class Stream:
    """What the concealer's user does: it remembers what was heard."""

    def __init__(self):
        self._concealer, self._heard = Concealer(), np.zeros(0, np.int16)

    def heard(self, frame):
        frame = self._concealer.blend(frame) if self._concealer.active else frame
        self._heard = np.concatenate((self._heard, frame))[-640:]
        return frame

    def conceal(self, samples):
        return self._concealer.conceal(samples, lambda: self._heard)


def through(samples, lost, conceal=True):
    """The whole signal with the frames in `lost` made up, or silent."""
    one, out = Stream(), []
    for number, frame in enumerate(frames(samples)):
        if number not in lost:
            out.append(one.heard(frame) if conceal else frame)
        else:
            out.append(one.conceal(160) if conceal else np.zeros(160, np.int16))
    return np.concatenate(out)


def snr(wanted, got):
    wanted, got = wanted[: len(got)].astype(float), got.astype(float)
    return 10 * np.log10((wanted**2).sum() / max(1e-9, ((wanted - got) ** 2).sum()))


@pytest.mark.parametrize("hz", [80, 100, 125, 160, 200])
def test_a_tone_goes_on_through_a_lost_packet(hz):
    tone = 8000 * np.sin(2 * np.pi * hz * MOMENT) + 3000 * np.sin(4 * np.pi * hz * MOMENT + 1)
    got = through(tone, {20})
    place = slice(20 * 160, 20 * 160 + FULL)
    assert snr(tone[place], got[place]) > 15
    steps = np.abs(np.diff(got.astype(int)))
    assert steps.max() < 1.6 * np.abs(np.diff(tone)).max()  # no click, at neither end


def test_without_loss_nothing_is_changed():
    speech = narrowband("what are your opening hours")
    assert (through(speech, set()) == speech[: len(speech) // 160 * 160]).all()


def test_a_long_loss_fades_to_silence_in_60_ms_and_comes_back_without_a_click():
    tone = 8000 * np.sin(2 * np.pi * 100 * MOMENT)
    got = through(tone, set(range(20, 30)))
    made = got[20 * 160 : 30 * 160]
    assert np.abs(made[:FULL]).max() > 7000
    assert not made[FADED:].any()
    levels = [np.abs(made[at : at + 80]).max() for at in range(0, FADED, 80)]
    assert levels == sorted(levels, reverse=True)
    assert np.abs(np.diff(got[30 * 160 - 5 : 30 * 160 + 60].astype(int))).max() < 1200


def spectral_distance(wanted, got):
    """Mean difference of the levels in 16 bands of 250 Hz, in dB, over windows of 20 ms, down to 50 dB below full."""

    def levels(samples):
        windows = samples[: len(samples) // 160 * 160].reshape(-1, 160) * np.hanning(160)
        power = (np.abs(np.fft.rfft(windows, axis=1)[:, :80]) ** 2).reshape(-1, 16, 5).sum(axis=2)
        return 10 * np.log10(np.maximum(power, (32768 * 80) ** 2 * 1e-5))

    return float(np.abs(levels(wanted) - levels(got)).mean())


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_speech_with_loss_sounds_more_like_what_was_said_than_with_holes(share):
    speech = np.concatenate([narrowband(text) for text in ("what are your opening hours", "transfer me to billing")])
    whole = speech[: len(speech) // 160 * 160]
    dice = np.random.default_rng(7)
    ratios = []
    for _ in range(20):
        lost = set(np.flatnonzero(dice.random(len(whole) // 160) < share))
        holes = spectral_distance(whole, through(speech, lost, conceal=False))
        if holes > 0:
            ratios.append(spectral_distance(whole, through(speech, lost)) / holes)
    assert np.median(ratios) < 0.5


def test_noise_keeps_its_level():
    noise = np.random.default_rng(1).normal(0, 1000, 8000)
    made = through(noise, {20})[20 * 160 : 20 * 160 + FULL]
    assert 500 < made.std() < 2000


def test_before_anything_was_heard_a_loss_is_silence():
    one = Stream()
    assert not one.conceal(320).any()
    assert one.heard(np.full(160, 900, np.int16))[-1] == 900


@pytest.mark.parametrize("size", [80, 240, 320, 480])
def test_packets_of_any_length(size):
    tone = (8000 * np.sin(2 * np.pi * 100 * MOMENT)).astype(np.int16)
    one = Stream()
    for at in range(0, 2400, size):
        one.heard(tone[at : at + size])
    assert len(one.conceal(size)) == size
    assert len(one.heard(tone[:size])) == size


def test_the_loudest_does_not_wrap_around():
    loud = np.where(np.sin(2 * np.pi * 100 * MOMENT) > 0, 32767, -32768).astype(np.int16)
    got = through(loud, {20, 22, 23})
    assert np.abs(got[20 * 160 : 20 * 160 + FULL].astype(int)).max() >= 30000
