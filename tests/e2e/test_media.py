"""Audio as peers want it, over real RTP: other packet lengths, and keys within the audio."""

from __future__ import annotations

import asyncio
import itertools
import wave

import numpy as np
import pytest

from gateway.codecs import KeyDetector, g711, tone
from gateway.errors import NoSuchCall, WrongState
from tests.caller import SDP, Caller, heard_ms
from tests.e2e.far import Far
from tests.e2e.tones import strongest, tone_agent
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

ECHO = """
greeting: Hello, this is the clerk.
transcription: {model: local}
tools: [send_digits]
local:
  rules:
    - hears: goodbye
      says: Goodbye then.
    - hears: open the door
      says: ""
      calls: send_digits
      arguments: {digits: "42#"}
"""


def said(events, role):
    return [data["text"] for kind, data in events if kind == "transcript" and data["role"] == role]


@pytest.mark.parametrize("ms", [10, 30, 60])
async def test_packets_of_another_length(tmp_path, ms):
    settings = settings_for(tmp_path, {"eve": ECHO})
    async with running(settings) as (gateway, events), Caller(gateway.sip_port, sdp=SDP + f"a=ptime:{ms}\r\n") as call:
        assert await call.invite() == 200
        await call.until_quiet()
        call.bye()
        await asyncio.sleep(0.2)
    audio = [packet for packet in call.packets if packet.payload_type == 0]
    assert {len(packet.payload) for packet in audio} == {8 * ms}
    assert {(b.timestamp - a.timestamp) % 2**32 for a, b in itertools.pairwise(audio)} == {8 * ms}
    assert {(b.sequence - a.sequence) % 2**16 for a, b in itertools.pairwise(audio)} == {1}
    assert heard_ms(audio) > 1000
    assert said(events, "assistant") == ["Hello, this is the clerk."]


@needs_ears
async def test_keys_within_the_audio_both_ways(tmp_path):
    """A trunk that knows no telephone-event: the gateway hears keys in the sound, and presses them there."""
    trunk = {"name": "old", "peers": ["127.0.0.1"], "dtmf": "inband"}
    settings = settings_for(tmp_path, {"eve": ECHO}, trunks=[trunk])
    plain = SDP.replace(" 101", "").replace("a=rtpmap:101 telephone-event/8000\r\n", "")
    async with running(settings) as (gateway, events), Caller(gateway.sip_port, sdp=plain) as call:
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(np.concatenate([tone(key, 8000) for key in "19#"]))
        await call.silence(0.5)
        assert [data["digit"] for kind, data in events if kind == "dtmf"] == ["1", "9", "#"]
        await call.until_quiet()
        first = len(call.packets)
        await call.talk(narrowband("open the door"))
        async with asyncio.timeout(15):
            while "dtmf_sent" not in [kind for kind, _ in events]:
                await call.silence(0.1)
        await call.silence(1)
        detector = KeyDetector()
        codes = np.frombuffer(b"".join(packet.payload for packet in call.packets[first:]), np.uint8)
        assert detector.push(g711.decode(g711.ULAW, codes))[0] == "42#"
        call.bye()
        await asyncio.sleep(0.2)


@needs_ears
async def test_the_provider_may_speak_g711_as_it_is(tmp_path):
    settings = settings_for(tmp_path, {"eve": ECHO + "audio: g711\n"})
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(narrowband("goodbye"))
        async with asyncio.timeout(15):
            while "Goodbye then." not in said(events, "assistant"):
                await call.silence(0.1)
        call.bye()
        await asyncio.sleep(0.2)
    assert said(events, "user") == ["goodbye"]
    assert heard_ms(call.packets) > 1000


RECORDED = ECHO + "recording: {start: answer, announcement: This call is recorded.}\n"


async def test_a_call_is_announced_and_recorded_in_stereo(tmp_path):
    settings = settings_for(tmp_path, {"eve": RECORDED}, recordings=str(tmp_path / "tapes"))
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.until_quiet(1.5)
        call_id = gateway.switchboard.calls[0].info.call_id
        begun = len(call.packets)
        await call.silence(1)
        await call.talk(tone("5", 8000))
        gateway.switchboard.command("recording", call_id, {"action": "pause"})
        await call.talk(np.tile(tone("0", 8000), 5))
        with pytest.raises(WrongState, match="it cannot be told to pause"):  # it is paused already
            gateway.switchboard.command("recording", call_id, {"action": "pause"})
        gateway.switchboard.command("recording", call_id, {"action": "resume"})
        await call.talk(tone("6", 8000))
        await call.silence(0.5)
        call.bye()
        await asyncio.sleep(0.3)
        with pytest.raises(NoSuchCall):
            gateway.switchboard.command("recording", call_id, {"action": "stop"})
    assert said(events, "assistant") == ["This call is recorded.", "Hello, this is the clerk."]
    kinds = [kind for kind, _ in events if kind.startswith("recording")]
    assert kinds == ["recording_started", "recording_paused", "recording_resumed", "recording_stopped"]
    with wave.open(str(tmp_path / "tapes" / f"{call_id}.wav")) as file:
        left, right = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T
    assert KeyDetector().push(left.copy())[0] == "56"
    heard = np.concatenate([np.frombuffer(one.payload, np.uint8) for one in call.packets])
    wire = g711.decode(g711.ULAW, heard)
    place = np.flatnonzero(np.abs(right) > 1000)[0]
    match = next(
        at for at in np.flatnonzero(wire == right[place]) if (wire[at : at + 800] == right[place : place + 800]).all()
    )
    assert match // 160 < begun  # the greeting, sample for sample as it was on the wire
    assert not any((wire[at : at + 800] == right[:800]).all() for at in range(0, 160, 160))  # not the announcement


async def test_a_recording_that_cannot_be_written_costs_no_call(tmp_path):
    settings = settings_for(
        tmp_path, {"eve": ECHO + "recording: {start: answer}\n"}, recordings=str(tmp_path / "tapes")
    )
    (tmp_path / "tapes").write_text("a file where the folder should be")  # since it was checked
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.until_quiet()
        assert "tapes" in next(data["problem"] for kind, data in events if kind == "recording_failed")
        assert len(gateway.switchboard) == 1
        call.bye()
        await asyncio.sleep(0.2)


async def test_each_side_hears_exactly_the_others_tone(tmp_path):
    """A caller who sends 700 Hz and an agent that says 1100 Hz, through both conversions."""
    async with tone_agent(1100) as (url, heard):
        providers = {"tone": {"url": url}}
        settings = settings_for(tmp_path, {"eve": "provider: tone\n"}, providers=providers)
        async with running(settings) as (gateway, _), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.talk((9000 * np.sin(2 * np.pi * 700 * np.arange(24000) / 8000)).astype(np.int16))
            call.bye()
            await asyncio.sleep(0.1)
    loud = [packet.payload for packet in call.packets if not packet.silent][5:-5]
    came = g711.decode(g711.ULAW, np.frombuffer(b"".join(loud), np.uint8)).astype(float)
    went = np.frombuffer(bytes(heard), "<i2")[24000:60000].astype(float)
    assert strongest(came, 8000)[0] == pytest.approx(1100, abs=1)
    assert strongest(went, 24000)[0] == pytest.approx(700, abs=1)
    assert strongest(came, 8000)[1] > 0.999  # 30 dB over everything else, G.711's own noise included
    assert strongest(went, 24000)[1] > 0.999


@needs_ears
async def test_a_bad_line_is_understood_all_the_same_and_its_record_says_how_bad_it_was(tmp_path):
    records = []
    async with running(settings_for(tmp_path, {"eve": ECHO})) as (gateway, events), Far(gateway.sip_port) as call:
        gateway.sinks.append(lambda event, record: records.append(record))
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(narrowband("goodbye"))
        async with asyncio.timeout(15):
            while "Goodbye then." not in said(events, "assistant"):
                await call.silence(0.1)
        call.bye()
        await asyncio.sleep(0.2)
    media = records[-1]["media"]
    assert said(events, "user") == ["goodbye"]
    assert 0 < media["lost"] < media["received_packets"] * 0.08
    assert media["late"] == 0  # all within the window
    assert 1 < media["jitter_ms"] < 30
    assert 2 < media["mos"] < 4.3
