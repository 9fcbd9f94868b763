"""How much of what a caller says can be understood at the provider, by a measure of it (STOI, 0 to 1).

C. H. Taal et al., An Algorithm for Intelligibility Prediction of Time-Frequency Weighted Noisy Speech, 2011.
"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pystoi import stoi

from gateway.codecs import Resampler
from tests.e2e.far import Far
from tests.e2e.tones import tone_agent
from tests.gatewayd import running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

SAYING = "I would like to know what your opening hours are, and whether somebody can call me back tomorrow morning"


def understood(wanted, heard):
    """Of int16 at 24 kHz, once the two lie on each other."""
    size = 1 << (len(wanted) + len(heard)).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(wanted.astype(float), size)))
    shift = int(likeness[: len(heard)].argmax())
    aligned = heard[shift : shift + len(wanted)]
    return stoi(wanted[: len(aligned)].astype(float), aligned.astype(float), 24000)


@pytest.mark.parametrize(
    ("loss", "burst", "least"), [(0.0, 1, 0.99), (0.01, 1, 0.98), (0.05, 1, 0.95), (0.05, 3, 0.92)]
)
async def test_what_a_caller_says_over_a_bad_line(tmp_path, loss, burst, least):
    said = narrowband(SAYING)
    said = said[: len(said) // 160 * 160]
    async with tone_agent(1100) as (url, heard):
        settings = settings_for(tmp_path, {"eve": "provider: tone\n"}, providers={"tone": {"url": url}})
        async with running(settings) as (gateway, _), Far(gateway.sip_port, loss=loss, burst=burst) as call:
            assert await call.invite() == 200
            await call.talk(said)
            await call.silence(0.5)
            call.bye()
            await asyncio.sleep(0.1)
    wanted = Resampler(8000, 24000).push(said)
    came = understood(wanted, np.frombuffer(bytes(heard), "<i2"))
    assert came > least
    if loss:
        holes = said.copy()
        for number in call.lost:
            holes[number * 160 : (number + 1) * 160] = 0
        assert came > understood(wanted, Resampler(8000, 24000).push(holes))
