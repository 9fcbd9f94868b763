"""Frames of several calls go through resampling and companding together."""

import numpy as np
import pytest

from gateway.bridge.call.leg import LegEvents
from gateway.bridge.legs.sip_leg import FRAME
from gateway.bridge.media.batch_render import render
from gateway.bridge.media.fill_audio import FillAudio
from gateway.codecs import g711
from gateway.codecs.level import level
from tests.bridge.legs.test_sip_leg import OFFER, leg_for


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


@pytest.mark.parametrize("law", [g711.ULAW, g711.ALAW])
def test_g711_of_the_provider_goes_out_as_it_is(law):
    leg = leg_for(OFFER if law is g711.ULAW else OFFER.replace(b"AVP 0 8", b"AVP 8"))
    leg.answer()
    leg.pass_on(law)
    codes = bytes(code for code in range(256) if code != 0x7F) * 16  # minus zero becomes zero
    leg.play("item", 0, codes[:3001])
    leg.play("item", 0, codes[3001:])
    for _ in range(len(codes) // 160):
        render([leg, leg_for()])
    sent = b"".join(payload for payload, _ in leg.rtp.frames)
    assert sent == codes[: len(sent)]
    assert leg.flush()[0].ms == len(sent) // 8 + 5  # with the fading


def test_music_for_one_and_g711_for_another_at_the_same_tick():
    from gateway.codecs import hold_tune

    plain, waiting = leg_for(), leg_for()
    for leg in (plain, waiting):
        leg.answer()
    plain.pass_on(g711.ULAW)
    plain.play("item", 0, b"\x10" * 800)
    waiting._fill_audio = FillAudio(hold_tune())
    waiting.play_music(True)
    for _ in range(5):
        render([plain, waiting])
    assert {payload for payload, _ in plain.rtp.frames} == {b"\x10" * 160}
    assert len({payload for payload, _ in waiting.rtp.frames}) == 5


def test_a_quiet_line_may_be_heard():
    leg = leg_for()
    leg.answer()
    leg._fill_audio = FillAudio(noise_dbm0=-60.0)
    for _ in range(400):
        render([leg])
    frames = [payload for payload, _ in leg.rtp.frames]
    assert {len(one) for one in frames} == {160}
    assert len(set(frames)) == 200  # four seconds, then from the beginning
    assert level(g711.decode(g711.ULAW, np.frombuffer(b"".join(frames), np.uint8))) == pytest.approx(-60, abs=1.5)
    leg.play("item", 0, np.full(4800, 9000, "<i2").tobytes())
    render([leg])
    assert leg.rtp.frames[-1][1]


def test_a_provider_in_a_hurry_that_then_stalls_loses_nothing():
    """Ten times faster than real time, then nothing for 400 ms, and again: every sample once, in order."""
    leg = leg_for()
    leg.answer()
    leg.pass_on(g711.ULAW)  # so that what went in can be told from what came out
    said = np.random.default_rng(8).integers(0, 0x7E, 8000 * 9).astype(np.uint8).tobytes()
    at = 0
    for tick in range(9 * 50 + 9 * 70):
        if tick % 120 < 10 and at < len(said):  # 1 s of speech in a tenth of a second, in uneven pieces
            for size in (333, 467):
                leg.play("item", 0, said[at : at + size])
                at += size
        render([leg])
    sent = b"".join(payload for payload, _ in leg.rtp.frames)
    heard = sent.translate(None, delete=bytes([g711.ULAW.silence]))
    assert at == len(said)
    assert heard == said
    assert leg.flush()[0].ms == 9000


def test_a_bug_in_one_call_ends_that_call_alone():
    told, legs = [], [leg_for(), leg_for(), leg_for()]
    for leg in legs:
        leg.answer()
        leg.events = LegEvents(
            digit=print, drained=lambda: None, held=print, spoke=print, broken=lambda *what: told.append(what)
        )
        leg.play("item", 0, bytes(960 * 3))
    legs[0].rtp.send = legs[1].playout.take = None  # what calls them raises
    for _ in range(3):
        render(legs)
    assert len(legs[2].rtp.frames) == 3
    assert {outcome for outcome, _ in told} == {"media_failed"}
    assert "TypeError" in told[0][1]
