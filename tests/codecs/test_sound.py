import numpy as np
import pytest

from gateway.codecs import CODECS, WIDE, Transcoder, g711

SOUNDS = [g711.ULAW, g711.ALAW, WIDE]


def tone(sound, hz=1000):
    return (8000 * np.sin(2 * np.pi * hz * np.arange(sound.hz) / sound.hz)).astype(np.int16)


@pytest.mark.parametrize("sound", SOUNDS)
def test_bytes_and_samples(sound):
    samples = tone(sound)
    coded = sound.coded(samples)
    assert len(coded) == len(samples) * sound.size
    assert np.abs(sound.linear(coded).astype(int) - samples).max() <= 260
    assert np.abs(sound.linear(sound.quiet(160))).max() <= 8
    assert len(sound.quiet(160)) == 160 * sound.size


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("other", SOUNDS)
def test_any_pair_of_parties_can_hear_each_other(sound, other):
    transcoder, coded = Transcoder(sound, other), sound.coded(tone(sound))
    step = sound.hz // 50 * sound.size
    heard = other.linear(b"".join(transcoder.push(coded[at : at + step]) for at in range(0, len(coded), step)))
    assert len(heard) == other.hz
    power = np.abs(np.fft.rfft(heard * np.hanning(len(heard)))) ** 2
    near = power[997:1004].sum()
    assert 10 * np.log10(near / (power.sum() - near)) > 30


def test_a_byte_is_a_tick_of_the_rtp_clock_whatever_the_codec():
    for codec in CODECS.values():
        sound = codec.sound.quiet(codec.sound.hz // 50)
        payload = codec.coder().encode(sound) if codec.coder else sound
        assert len(payload) == codec.clock_hz // 50
