import numpy as np
import pytest

from gateway.local.audio import FORMATS, format_of


@pytest.mark.parametrize("name", FORMATS)
def test_there_and_back(name):
    one = FORMATS[name]
    samples = np.array([0, 1000, -1000, 32000] * 100, np.int16)
    data = one.encode(samples)
    assert len(data) * 1000 == len(samples) * one.bytes_per_ms * 1000 * 1000 // one.hz
    assert np.abs(one.decode(data).astype(int) - samples).max() < 1100


@pytest.mark.parametrize("value", [None, "audio/pcm", {"type": "audio/opus"}, {"type": "audio/pcm", "rate": 16000}, {}])
def test_what_cannot_be_served(value):
    assert format_of(value) is None
