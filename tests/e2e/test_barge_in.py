"""A caller speaks over the greeting: what the provider is told was heard, against the packets that came."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from gateway.agents import BUNDLED
from gateway.bridge.legs.sip_leg import SipLeg
from tests.caller import Caller, heard_ms, last_loud_ms
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

LONG = (
    'greeting: "I will now read a very long notice, word by word, and I will not stop until somebody interrupts me, '
    'which I hope will happen soon, since this notice is rather dull and goes on for a long while yet."\n'
    "turn_detection: {type: semantic_vad, eagerness: low}\ntranscription: {model: local}\n"
)


@pytest.mark.parametrize("patience", [0.9, 1.57])
async def test_the_provider_is_told_what_the_wire_carried(tmp_path, patience, monkeypatch):
    spoken, play = [], SipLeg.play
    monkeypatch.setattr(
        SipLeg, "play", lambda leg, item, index, audio: (spoken.append(audio), play(leg, item, index, audio))
    )
    async with running(settings_for(tmp_path, {"bob": LONG})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(patience)
        await call.talk(narrowband("what are your opening hours"))
        await call.silence(0.5)
        call.bye()
    (told,) = [data for kind, data in events if kind == "interrupted"]
    sent = np.frombuffer(b"".join(spoken), np.int16)[: told["audio_end_ms"] * 24]
    assert abs(heard_ms(call.packets) - last_loud_ms(sent, 24000)) <= 20
    start = next(index for index, packet in enumerate(call.packets) if packet.marker)
    stopped = start + told["audio_end_ms"] // 20 + 1
    assert stopped < len(call.packets) - 20
    assert all(packet.silent for packet in call.packets[stopped + 1 :])


async def test_where_it_is_forbidden_the_notice_is_read_to_its_end(tmp_path):
    agent = 'greeting: "This is a legal notice."\nturn_detection: {interrupt_response: false, create_response: false}\n'
    async with running(settings_for(tmp_path, {"bob": agent})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.4)
        await call.talk(narrowband("what are your opening hours"))
        await call.silence(0.5)
        call.bye()
    assert "speech_started" in [kind for kind, _ in events]
    assert "interrupted" not in [kind for kind, _ in events]


@needs_ears
async def test_a_spoken_booking_with_semantic_turns(tmp_path):
    text = (
        (BUNDLED / "receptionist.yaml")
        .read_text()
        .replace("type: server_vad\n  silence_duration_ms: 500", "type: semantic_vad")
    )
    (tmp_path / "receptionist.py").write_text((BUNDLED / "receptionist.py").read_text())
    settings = settings_for(tmp_path, {"receptionist": text})
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(narrowband("book an appointment for tomorrow at nine"))
        await call.until_quiet()
        call.bye()
        await asyncio.sleep(0.1)
    said = [data["text"] for kind, data in events if kind == "transcript"]
    assert said[1:] == [
        "book an appointment for tomorrow at nine",
        "You have an appointment tomorrow at nine. Is there anything else?",
    ]


RESUME = LONG.replace("semantic_vad, eagerness: low", "server_vad, silence_duration_ms: 300") + (
    "barge_in: resume\nlocal: {rules: [{hears: what are your opening hours, says: We are always open.}]}\n"
)


def spoken_ms(packets):
    return 20 * sum(not packet.silent for packet in packets)


@needs_ears
async def test_a_word_ends_the_notice_and_a_cough_only_halts_it(tmp_path):
    """The provider is told to leave it to us; whether something was said is for the transcript to tell."""
    async with running(settings_for(tmp_path, {"bob": RESUME})) as (gateway, events), Caller(gateway.sip_port) as call:

        def kinds():
            return [kind for kind, _ in events]

        assert await call.invite() == 200
        await call.silence(1)
        await call.talk(narrowband("hm"))  # no word that anybody waits for
        async with asyncio.timeout(6):
            while "paused" not in kinds():
                await call.silence(0.1)
            await call.silence(0.1)
            halted = len(call.packets)
            while "resumed" not in kinds():
                await call.silence(0.02)
        assert spoken_ms(call.packets[halted:-3]) <= 40
        went_on = len(call.packets)
        await call.silence(1)
        assert spoken_ms(call.packets[went_on:]) > 700
        await call.talk(narrowband("what are your opening hours"))
        async with asyncio.timeout(10):
            while not any(data.get("text") == "We are always open." for _, data in events):
                await call.silence(0.1)
        call.bye()
    (told,) = [data for kind, data in events if kind == "interrupted"]
    assert told["audio_end_ms"] > 1900  # both parts of the notice


async def test_our_own_ears_are_quicker_than_the_provider(tmp_path):
    agent = LONG + "barge_in: {local_ms: 60}\n"
    async with running(settings_for(tmp_path, {"bob": agent})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(1.2)
        await call.talk(narrowband("what are your opening hours"))
        await call.silence(0.3)
        call.bye()
    told = [kind for kind, _ in events if kind in ("speech_heard", "interrupted", "speech_started")]
    assert told[:2] == ["speech_heard", "interrupted"]
    assert told.count("interrupted") == 1
