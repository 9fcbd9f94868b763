import numpy as np
import pytest

from gateway.codecs import find_echo, g711
from tests.speech import narrowband

SAID = narrowband("good afternoon and thank you for calling the office of the county clerk")
OTHER = narrowband("i would like to know when you are open on saturday mornings please")


def coded(samples):
    """Once through G.711."""
    return g711.decode(g711.ULAW, g711.encode(g711.ULAW, samples.astype(np.int16)))


@pytest.mark.parametrize("lag_ms", [10, 60, 300, 650])
@pytest.mark.parametrize("gain", [1.0, 0.3, 0.1])
def test_what_comes_back_is_found_with_its_delay_and_level(lag_ms, gain):
    lag, end = lag_ms * 8, 12000
    noise = np.random.default_rng(1).normal(0, 20, 2048)
    heard = coded(SAID[end - lag - 2048 : end - lag] * gain + noise)
    echo = find_echo(heard, SAID[end - 7648 : end])
    assert echo.lag == pytest.approx(lag, abs=1)
    assert echo.likeness > 0.8
    assert echo.gain == pytest.approx(gain, rel=0.15)


def test_somebody_else_is_not_alike():
    found = [
        find_echo(OTHER[at : at + 2048], SAID[start : start + 7648]).likeness
        for at in range(2000, len(OTHER) - 2048, 1500)
        for start in range(0, len(SAID) - 7648, 3000)
    ]
    assert max(found) < 0.75
    assert np.quantile(found, 0.9) < 0.5


@pytest.mark.parametrize("heard", [np.zeros(2048, np.int16), np.full(2048, -32768, np.int16)])
def test_silence_and_rubbish_are_no_echo(heard):
    assert find_echo(heard, SAID[:7648]).likeness < 0.6
    assert find_echo(SAID[4000:6048], np.zeros(7648, np.int16)).likeness == 0.0
