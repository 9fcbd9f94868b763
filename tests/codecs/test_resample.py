import numpy as np
import pytest
import soxr

from gateway.codecs import Resampler, kernel
from gateway.codecs.resample import REACH_MS


def band(hz, seconds=2.0):
    """Noise from 300 to 3400 Hz."""
    samples = int(hz * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(7).normal(size=samples))
    frequencies = np.fft.rfftfreq(samples, 1 / hz)
    spectrum[(frequencies < 300) | (frequencies > 3400)] = 0
    signal = np.fft.irfft(spectrum, samples)
    return np.rint(signal / np.abs(signal).max() * 20000).astype(np.int16)


@pytest.mark.parametrize(("in_hz", "out_hz"), [(8000, 24000), (24000, 8000), (8000, 16000), (22050, 24000)])
def test_it_agrees_with_soxr_vhq_at_a_constant_delay(in_hz, out_hz):
    signal = band(in_hz)
    resampler, frame = Resampler(in_hz, out_hz), in_hz // 50
    ours = np.concatenate([resampler.push(signal[i : i + frame]) for i in range(0, len(signal) - frame, frame)])
    best = soxr.resample(signal.astype(float), in_hz, out_hz, "VHQ")
    delay = round(REACH_MS * out_hz / 1000)
    inner = slice(out_hz // 10, len(ours) - out_hz // 10)
    expected = best[: len(ours) - delay][inner]
    error = ours[delay:][inner][: len(expected)].astype(float) - expected[: len(ours[delay:][inner])]
    assert 10 * np.log10(np.mean(expected**2) / np.mean(error**2)) > 55


def test_what_is_out_of_band_does_not_come_through_as_something_else():
    time = np.arange(24000) / 24000
    tone = np.rint(20000 * np.sin(2 * np.pi * 6000 * time)).astype(np.int16)
    out = Resampler(24000, 8000).push(tone).astype(float)
    assert np.sqrt(np.mean(out[100:] ** 2)) < 20000 / 1000  # 60 dB down


def test_nothing_is_held_back():
    resampler = Resampler(8000, 24000)
    assert [len(resampler.push(np.zeros(160, np.int16))) for _ in range(5)] == [480] * 5


def test_pieces_of_any_length_make_the_same_stream():
    signal = band(8000, 0.5)
    whole = Resampler(8000, 24000).push(signal)
    resampler, pieces, at = Resampler(8000, 24000), [], 0
    for length in np.random.default_rng(3).integers(1, 400, 60):
        pieces.append(resampler.push(signal[at : at + length]))
        at += length
    joined = np.concatenate(pieces)
    assert np.abs(joined[: len(whole)].astype(int) - whole[: len(joined)]).max() <= 1


def test_loud_clips_instead_of_wrapping():
    square = np.where(np.arange(4800) % 480 < 240, 32767, -32768).astype(np.int16)
    out = Resampler(24000, 8000).push(square)
    assert out[30:60].min() > 20000


def test_a_batch_is_the_same_as_each_alone():
    rows = np.random.default_rng(1).normal(0, 9000, (8, kernel(24000, 8000).context + 480)).astype(np.float32)
    batch = kernel(24000, 8000).convert(rows)
    assert batch.shape == (8, 160)
    assert all((kernel(24000, 8000).convert(row[None])[0] == one).all() for row, one in zip(rows, batch, strict=True))
    assert kernel(8000, 24000).convert(np.zeros((3, kernel(8000, 24000).context + 160), np.float32)).shape == (3, 480)


def test_reset_forgets():
    resampler = Resampler(24000, 8000)
    resampler.push(np.full(480, 20000, np.int16))
    resampler.reset()
    assert not resampler.push(np.zeros(480, np.int16)).any()
