import wave

import numpy as np
import pytest

from gateway.codecs import hold_tune, read_wav


def test_the_tune_is_quiet_and_begins_and_ends_in_silence():
    tune = hold_tune()
    assert tune.dtype == np.int16
    assert 500 < np.abs(tune).max() < 8000
    assert abs(int(tune[0])) < 50
    assert not tune[-20000:].any()


def write(path, samples, rate=8000, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def test_a_wav_of_any_rate_becomes_24_khz_and_one_channel(tmp_path):
    moment = np.arange(8000) / 8000
    left = 8000 * np.sin(2 * np.pi * 440 * moment)
    write(tmp_path / "a.wav", np.stack([left, left], axis=1).astype("<i2"), channels=2)
    samples = read_wav(tmp_path / "a.wav")
    assert abs(len(samples) - 24000) < 50
    spectrum = np.abs(np.fft.rfft(samples[:24000]))
    assert int(np.argmax(spectrum)) == 440


def test_what_is_no_such_wav_is_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"ID3 not a wav")
    with pytest.raises(ValueError, match="is not a WAV"):
        read_wav(tmp_path / "a.wav")
    write(tmp_path / "b.wav", np.zeros(100, np.uint8), width=1)
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(tmp_path / "b.wav")
    with pytest.raises(OSError, match="none"):
        read_wav(tmp_path / "none.wav")
