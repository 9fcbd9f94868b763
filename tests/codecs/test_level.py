import numpy as np
import pytest

from gateway.codecs import SpeechDetector, g711
from gateway.codecs.level import SILENT, level, levels
from gateway.codecs.sound import Linear
from tests.speech import narrowband


def frames(samples):
    return [samples[at : at + 160].astype(np.int16) for at in range(0, len(samples) - 159, 160)]


def at(dbm0, count):
    """Noise of that level."""
    return np.random.default_rng(count).normal(0, 32124 / 2**0.5 / 10 ** (3.14 / 20) * 10 ** (dbm0 / 20), count)


def first(detector, samples):
    """ms after which speech is believed; None for never."""
    return next((20 * (number + 1) for number, frame in enumerate(frames(samples)) if detector.push(frame)), None)


@pytest.mark.parametrize("dbm0", [-10, -30, -50])
def test_levels_are_dbm0(dbm0):
    assert level(at(dbm0, 16000).astype(np.int16)) == pytest.approx(dbm0, abs=0.7)
    assert level(np.zeros(160, np.int16)) == SILENT


@pytest.mark.parametrize("noise", [-70, -55, -45])
@pytest.mark.parametrize("after", [40, 100, 200])
def test_speech_is_heard_soon_over_noise(noise, after):
    detector = SpeechDetector(after)
    assert first(detector, at(noise, 16000)) is None
    speech = narrowband("what are your opening hours").astype(float)
    begin = np.flatnonzero(np.abs(speech) > 1000)[0] / 8
    assert first(detector, speech + at(noise, len(speech))) <= begin + after + 400


def test_a_cough_or_a_click_is_shorter_than_speech():
    detector = SpeechDetector(200)
    quiet = at(-60, 8000)
    for _ in range(5):  # clicks of 60 ms, five a second
        assert first(detector, np.concatenate((at(-15, 480), quiet[:1120]))) is None
    assert first(SpeechDetector(40), np.concatenate((quiet, at(-15, 480)))) is not None


def test_echo_of_the_agent_at_a_usual_level_is_not_speech():
    """35 dB below what it said: echo return loss of a bad line."""
    speech = narrowband("we are open Monday to Friday from nine to five").astype(float) / 10 ** (35 / 20)
    assert first(SpeechDetector(60), np.concatenate((at(-60, 4000), speech + at(-60, len(speech))))) is None


def test_noise_that_stays_is_got_used_to():
    detector = SpeechDetector(100)
    first(detector, at(-60, 8000))
    assert first(detector, at(-30, 8000)) is not None
    for frame in frames(at(-30, 40000)):
        detector.push(frame)
    detector.reset()
    assert first(detector, at(-30, 8000)) is None


def test_many_at_once_are_as_loud_as_one_by_one():
    wave = (8000 * np.sin(np.arange(160) / 5)).astype(np.int16)
    law, wide = g711.ULAW, Linear(16000)
    pieces = [
        (law, law.coded(wave)), (wide, wide.coded(wave)), (law, law.quiet(160)), (law, b""), (wide, b""),
        (law, law.coded(np.concatenate([wave, wave // 4]))), (law, law.coded(wave // 50)),
    ]  # fmt: skip
    assert levels(pieces) == [round(level(sound.linear(one))) if one else -90 for sound, one in pieces]
    assert levels([]) == []
