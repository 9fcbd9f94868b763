import numpy as np
import pytest

from gateway.bridge.media.fill_audio import FRAME, NO_MUSIC, FillAudio
from gateway.codecs import WIDE, KeyDetector, Resampler, g711
from gateway.codecs.level import level


def test_keys_are_pressed_one_after_the_other():
    one, detector, narrow = FillAudio(NO_MUSIC, None), KeyDetector(), Resampler(24000, 8000)
    one.press("4a")
    frames = []
    while (frame := one.pressed()) is not None:
        frames.append(frame)
    assert {len(frame) for frame in frames} == {FRAME}
    assert "".join(detector.push(narrow.push(frame))[0] for frame in frames) == "4A"


def test_music_goes_round_and_can_begin_anew():
    tune = np.arange(1000, dtype=np.int16)
    one = FillAudio(tune, None)
    played = np.concatenate([one.music() for _ in range(25)])
    assert (played == np.resize(tune, 25 * FRAME)).all()
    one.rewind()
    assert one.music()[0] == 0
    assert FillAudio(NO_MUSIC, None).music() is None


@pytest.mark.parametrize("sound", [g711.ULAW, g711.ALAW, WIDE])
def test_a_quiet_line(sound):
    silence = FillAudio(NO_MUSIC, None).quiet(sound)
    assert len(sound.linear(silence)) == sound.hz // 50
    assert np.abs(sound.linear(silence)).max() <= 8
    one = FillAudio(NO_MUSIC, -50.0)
    noise = np.concatenate([sound.linear(one.quiet(sound)) for _ in range(400)])
    assert level(noise) == pytest.approx(-50, abs=1)
    assert not (noise[: sound.hz // 50] == noise[sound.hz // 50 : sound.hz // 25]).all()
