import wave

import numpy as np
import pytest

from gateway.prompts import files
from gateway.prompts.files import read_sound

SECOND = (8000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype("<i2")


def write(path, channels=1, hz=8000, seconds=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(hz)
        file.writeframes(np.repeat(np.tile(SECOND, seconds), channels).tobytes())
    return path


def encoded(folder, kind):
    """As another program writes it: by PyAV, of FFmpeg."""
    av = pytest.importorskip("av")
    path = folder / f"tone.{kind}"
    with av.open(str(path), "w") as file:
        stream = file.add_stream({"mp3": "libmp3lame", "flac": "flac", "ogg": "libopus"}[kind], rate=48000)
        stream.layout = "mono"
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=48000)
        frame = av.AudioFrame.from_ndarray(SECOND.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 8000
        for one in (*resampler.resample(frame), *resampler.resample(None)):
            one.pts = None
            for packet in stream.encode(one):
                file.mux(packet)
        for packet in stream.encode(None):
            file.mux(packet)
    return path


@pytest.mark.parametrize("kind", ["wav", "mp3", "flac"])
def test_what_is_read_is_a_second_of_the_tone(tmp_path, kind):
    path = write(tmp_path / "tone.wav") if kind == "wav" else encoded(tmp_path, kind)
    samples = np.frombuffer(read_sound(path), "<i2").astype(float)
    assert len(samples) / 24000 == pytest.approx(1.0, abs=0.08)
    spectrum = np.abs(np.fft.rfft(samples[2400:21600]))
    assert np.argmax(spectrum) * 24000 / 19200 == pytest.approx(440, abs=3)


def test_what_is_no_prompt_is_said(tmp_path):
    with pytest.raises(ValueError, match="has 2 channels; a telephone has one: mix it down"):
        read_sound(write(tmp_path / "stereo.wav", channels=2))
    (tmp_path / "text.wav").write_text("no sound at all, but a text that is long enough to look at")
    with pytest.raises(ValueError, match=r"text.wav is no sound that can be read"):
        read_sound(tmp_path / "text.wav")
    with pytest.raises(FileNotFoundError):
        read_sound(tmp_path / "nowhere.wav")
    with pytest.raises(ValueError, match="has no sound in it"):
        read_sound(write(tmp_path / "empty.wav", seconds=0))


def test_nobody_listens_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LONGEST_SECONDS", 2.0)
    with pytest.raises(ValueError, match="is longer than 2 s"):
        read_sound(write(tmp_path / "long.wav", seconds=3))
