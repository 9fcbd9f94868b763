"""The library's coder where a telephone uses it: frames of 10 to 60 ms, a wide band, a loss."""

import numpy as np
import pytest

from gateway.codecs import G722


def tone(hz, seconds=1.0):
    return (8000 * np.sin(2 * np.pi * hz * np.arange(int(16000 * seconds)) / 16000)).astype("<i2")


def through(coder, samples, frame):
    pieces = [coder.encode(samples[at : at + frame].tobytes()) for at in range(0, len(samples), frame)]
    assert {len(piece) for piece in pieces} == {frame // 2}
    return np.frombuffer(b"".join(coder.decode(piece) for piece in pieces), "<i2")


def snr(heard, hz):
    """dB, of a tone in the last half second."""
    window = heard[-8000:] * np.hanning(8000)
    power = np.abs(np.fft.rfft(window)) ** 2
    at = hz * 8000 // 16000
    signal = power[at - 3 : at + 4].sum()
    return 10 * np.log10(signal / (power.sum() - signal))


@pytest.mark.parametrize("frame", [160, 320, 480, 640, 960])
@pytest.mark.parametrize(("hz", "least"), [(300, 25), (1000, 25), (3000, 20), (5000, 12), (6500, 12)])
def test_the_whole_band_comes_through(frame, hz, least):
    assert snr(through(G722(), tone(hz, 1.2)[: 1 * 16000 // frame * frame], frame), hz) > least


def test_parties_do_not_share_a_memory():
    one, other = G722(), G722()
    through(one, tone(6000), 320)
    assert through(other, np.zeros(3200, "<i2"), 320).max() < 20


def test_it_recovers_from_a_loss():
    coder = G722()
    pieces = [coder.encode(tone(1000)[at : at + 320].tobytes()) for at in range(0, 16000, 320)]
    del pieces[10:12]
    heard = np.frombuffer(b"".join(map(coder.decode, pieces)), "<i2")
    assert snr(heard, 1000) > 25
