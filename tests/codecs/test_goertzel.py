"""Keys as tones: what Q.24 says has to be heard, what must not be, and speech that is not a key."""

import numpy as np
import pytest

from gateway.codecs import KeyDetector, g711, kernel, tone
from gateway.codecs.goertzel import COLUMNS, FRAME, KEYS, ROWS
from tests.speech import narrowband

NOISE = np.random.default_rng(7)


def tones(key, ms, off=(1.0, 1.0), levels=(4000.0, 4000.0), phase=0.0):
    place, moments = KEYS.index(key), np.arange(8 * ms) / 8000
    pair = (ROWS[place // 4] * off[0], COLUMNS[place % 4] * off[1])
    return sum(level * np.sin(2 * np.pi * hz * moments + phase) for hz, level in zip(pair, levels, strict=True))


def heard(signal, noise=0.0, law=g711.ULAW):
    """The keys that a detector tells of, after G.711 and with noise of so much standard deviation."""
    signal = np.concatenate((np.zeros(400), signal, np.zeros(400)))
    samples = np.clip(signal + NOISE.normal(0, max(noise, 1e-9), len(signal)), -32768, 32767).astype(np.int16)
    samples = g711.decode(law, g711.encode(law, samples))
    detector = KeyDetector()
    return "".join(detector.push(samples[at : at + FRAME])[0] for at in range(0, len(samples) - FRAME + 1, FRAME))


@pytest.mark.parametrize("law", [g711.ULAW, g711.ALAW])
@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_heard_once_however_long_it_is_pressed(key, law):
    for ms in (70, 100, 160, 2000):
        assert heard(tones(key, ms), noise=20, law=law) == key


@pytest.mark.parametrize("off", [0.985, 1.015])
@pytest.mark.parametrize("key", "159D")
def test_a_telephone_may_be_off_by_a_percent_and_a_half(key, off):
    assert heard(tones(key, 120, (off, off))) == key


@pytest.mark.parametrize("off", [0.96, 1.04])
@pytest.mark.parametrize("key", "15#D")
def test_what_is_off_by_four_percent_is_no_key(key, off):
    assert heard(tones(key, 200, (off, off))) == ""


@pytest.mark.parametrize("levels", [(4000, 1600), (1600, 4000), (600, 600), (14000, 14000)])
def test_levels_and_twist(levels):
    assert heard(tones("6", 100, levels=levels)) == "6"


def test_too_short_or_one_tone_alone_is_none():
    assert heard(tones("5", 20)) == ""
    assert heard(tones("5", 200, levels=(4000, 0))) == ""
    assert heard(tones("5", 200, levels=(0, 4000))) == ""


def test_a_code_with_pauses_and_one_key_twice():
    pause = np.zeros(8 * 80)
    assert heard(np.concatenate([part for key in "1123#" for part in (tones(key, 80), pause)])) == "1123#"


def test_a_short_break_is_not_a_second_press():
    """Q.24: an interruption of 10 ms or less."""
    whole = tones("7", 200)
    whole[800:880] = 0
    assert heard(whole) == "7"


def test_tones_stand_out_of_noise():
    """15 dB below the keys."""
    assert heard(tones("8", 200), noise=4000 / 10 ** (15 / 20)) == "8"


def test_speech_is_no_key():
    """Talk-off: a minute of different sentences."""
    sentences = [
        "what are your opening hours on Monday and Tuesday and Wednesday",
        "please put me through to the billing department, my number is five five five zero one nine nine",
        "we really were wearing yellow and blue, who knew that you would sue",
        "she sells sea shells by the sea shore, oh no, oh no, hello hello",
        "I would like to order a hundred and thirty three tickets, thank you very much indeed",
    ]
    speech = np.concatenate([narrowband(text) for text in sentences for _ in range(2)]).astype(float)
    assert len(speech) > 8000 * 30
    for offset in (0, 40, 80, 120):  # frames that begin elsewhere
        assert heard(np.concatenate((np.zeros(offset), speech))) == ""


def test_what_we_send_is_what_we_hear():
    down = kernel(24000, 8000)
    for key in KEYS:
        wide = np.concatenate((np.zeros(down.context + 480), tone(key), np.zeros(480))).astype(np.float32)
        wide = wide[: down.context + (len(wide) - down.context) // down.block_in * down.block_in]
        assert heard(down.convert(wide[None, :])[0].astype(float)) == key


def test_a_frame_with_tones_is_told_apart_at_once():
    detector = KeyDetector()
    frame = tones("1", 20).astype(np.int16)
    assert detector.push(frame) == ("", True)
    assert detector.push(frame) == ("1", True)
    assert detector.push(np.zeros(FRAME, np.int16)) == ("", False)


@pytest.mark.parametrize("size", [80, 160, 240, 320, 480])
def test_frames_of_any_length(size):
    detector, signal = KeyDetector(), np.concatenate((tones("4", 120), np.zeros(960), tones("2", 120), np.zeros(960)))
    pieces = [signal[at : at + size].astype(np.int16) for at in range(0, len(signal), size)]
    assert "".join(detector.push(piece)[0] for piece in pieces) == "42"
