from base64 import b64encode

import numpy as np
import pytest

from gateway.local.audio import format_of
from gateway.local.checks import EventError
from gateway.local.detector import WINDOW
from gateway.local.input_audio import EARS_HZ, InputAudioBuffer

PCM = format_of({"type": "audio/pcm", "rate": 24000})
ULAW = format_of({"type": "audio/pcmu"})


def test_what_is_appended_comes_in_windows_and_nothing_is_lost():
    buffer = InputAudioBuffer()
    buffer.use(PCM)
    windows = [one for _ in range(10) for one in buffer.append(b64encode(bytes(48 * 37)).decode())]
    assert {len(one) for one in windows} == {WINDOW}
    assert 0 <= 370 * EARS_HZ // 1000 - len(windows) * WINDOW < 2 * WINDOW
    for one in windows:
        buffer.keep(one)
    assert buffer.heard_ms == buffer.ms == len(windows) * WINDOW * 1000 // EARS_HZ
    buffer.limit(64)
    assert (buffer.ms, len(buffer.audio)) == (64, 64 * EARS_HZ // 1000)
    buffer.limit(0)
    assert len(buffer.audio) == WINDOW  # one is always kept
    buffer.clear()
    assert buffer.ms == 0
    assert buffer.heard_ms > 300


def test_another_format_may_follow_and_what_is_no_base64_is_told():
    buffer = InputAudioBuffer()
    buffer.use(PCM)
    buffer.use(ULAW)
    (window, *_) = buffer.append(b64encode(bytes([255]) * 800).decode())
    assert np.abs(window).max() < 10
    with pytest.raises(EventError, match="Invalid audio"):
        buffer.append("abcde")
