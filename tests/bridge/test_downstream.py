"""Frames of several calls go through resampling and companding together."""

import numpy as np

from gateway.bridge.downstream import render
from gateway.bridge.sip_leg import FRAME
from gateway.codecs import g711
from tests.bridge.test_sip_leg import OFFER, leg_for


def test_frames_of_several_calls_are_what_each_would_have_sent_alone():
    def speak(leg):
        rng = np.random.default_rng(11)
        leg.playout.put("item", 0, rng.integers(-9000, 9000, 24000).astype("<i2").tobytes())
        return leg

    legs = [speak(leg_for()), leg_for(), speak(leg_for(OFFER.replace(b"AVP 0 8", b"AVP 8")))]
    for leg in legs:
        leg.answer()
    alone = speak(leg_for())
    alone.answer()
    for _ in range(60):
        render(legs)
        render([alone])
    assert legs[0].rtp.frames == alone.rtp.frames
    assert {payload for payload, _ in legs[1].rtp.frames} == {b"\xff" * 160}
    assert [talking for _, talking in legs[0].rtp.frames] == [True] * 50 + [False] * 10
    assert legs[2].rtp.frames[0][0] != alone.rtp.frames[0][0]
    assert alone.rtp.frames[-1] == (b"\xff" * 160, False)
    assert FRAME == 480


def test_nothing_of_the_old_speech_leaks_into_the_new():
    leg = leg_for()
    leg.answer()
    leg.playout.put("old", 0, np.full(24000, 20000, "<i2").tobytes())
    for _ in range(5):
        render([leg])
    leg.flush()
    render([leg])  # the fading
    render([leg])
    samples = g711.decode(g711.ULAW, np.frombuffer(leg.rtp.frames[-1][0], np.uint8))
    assert not samples[40:].any()
