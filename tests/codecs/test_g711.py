import numpy as np
import pytest

from gateway.codecs import CODECS, g711


@pytest.mark.parametrize("law", [g711.ULAW, g711.ALAW], ids=lambda law: law.name)
def test_codes_come_back_as_themselves(law):
    codes = np.arange(256, dtype=np.uint8)
    again = g711.encode(law, g711.decode(law, codes))
    distinct = np.ones(256, bool)
    if law is g711.ULAW:
        distinct[0x7F] = False  # minus zero becomes plus zero
    assert (again == codes)[distinct].all()


@pytest.mark.parametrize(("law", "floor"), [(g711.ULAW, 36), (g711.ALAW, 36)], ids=["PCMU", "PCMA"])
def test_noise_is_what_g711_has(law, floor):
    tone = np.rint(12000 * np.sin(2 * np.pi * 997 * np.arange(8000) / 8000)).astype(np.int16)
    noise = g711.decode(law, g711.encode(law, tone)).astype(float) - tone
    assert 10 * np.log10(np.mean(tone.astype(float) ** 2) / np.mean(noise**2)) > floor


def test_known_codes():
    """ITU-T G.711 tables 1a and 2a: silence and full scale."""
    samples = np.array([0, 32767, -32768], np.int16)
    assert g711.encode(g711.ULAW, samples).tolist() == [0xFF, 0x80, 0x00]
    assert g711.encode(g711.ALAW, samples).tolist() == [0xD5, 0xAA, 0x2A]
    assert (g711.ULAW.silence, CODECS["PCMA"].payload_type) == (0xFF, 8)
