"""Words that are said exactly, on a telephone with real RTP: whatever the provider does."""

from __future__ import annotations

import asyncio
import socket
import wave
from contextlib import asynccontextmanager
from itertools import zip_longest

import numpy as np
import pytest

from gateway.codecs import Resampler, g711
from tests.caller import Caller
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

HZ = 8000


def tone(path, hz, seconds=1.0):
    """A prompt that no voice can be taken for."""
    samples = (9000 * np.sin(2 * np.pi * hz * np.arange(int(24000 * seconds)) / 24000)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(samples.tobytes())


def heard(call):
    """What the telephone was sent, as int16 at 8 kHz, without the silence around it."""
    codes = b"".join(one.payload for one in call.packets if one.payload_type == 0)
    sound = g711.decode(g711.ULAW, np.frombuffer(codes, np.uint8))
    loud = np.flatnonzero(np.abs(sound) > 500)
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:0]


def pitch(sound):
    return np.argmax(np.abs(np.fft.rfft(sound))) * HZ / len(sound)


@asynccontextmanager
async def provider(how):
    """A URL of a provider that is down, refuses, or takes the connection and says nothing."""
    if how == "down":
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            yield f"ws://127.0.0.1:{one.getsockname()[1]}/v1/realtime"
        return

    async def serve(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            if how == "refuses":
                writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
            else:
                await asyncio.sleep(60)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    finally:
        server.close()


def settings(folder, agent, url=None, **more):
    tone(folder / "taped.wav", 440)
    tone(folder / "sorry.wav", 660, 0.5)
    prompts = {"taped": {"file": str(folder / "taped.wav")}, "sorry": {"file": str(folder / "sorry.wav")}}
    given = {"prompts": prompts, "recordings": str(folder / "tapes"), **more}
    if url:
        given["providers"] = {"acme": {"url": url, "connect_seconds": 2}}
    return settings_for(folder, {"eve": agent}, **given)


async def until(events, kind, seconds=10):
    async with asyncio.timeout(seconds):
        while kind not in [one for one, _ in events]:
            await asyncio.sleep(0.02)
    return next(data for one, data in events if one == kind)


@asynccontextmanager
async def a_call(settings):
    """An answered one: the gateway, the telephone, the events."""
    async with running(settings) as (gateway, events), Caller(gateway.sip_port, "eve") as call:
        assert await call.invite() == 200
        yield gateway, call, events


NEVER_READY = """
provider: acme
model: m
answer_within_seconds: 0
on_provider_failure: {says: {prompt: sorry}}
recording: {start: answer, announcement: {prompt: taped}}
"""


@pytest.mark.parametrize("how", ["down", "refuses", "mute"])
async def test_consent_is_said_whatever_the_provider_does_and_then_what_is_left(tmp_path, how):
    async with provider(how) as url, a_call(settings(tmp_path, NEVER_READY, url)) as (_, call, events):
        answered = asyncio.get_running_loop().time()
        await asyncio.wait_for(call.over.wait(), 20)
    first = next(one.at for one in call.packets if not one.silent)
    print(f"{how}: the first word {1000 * (first - answered):.0f} ms after the 200")
    assert [data["prompt"] for kind, data in events if kind == "prompt_played"] == ["taped", "sorry"]
    sound = heard(call)
    assert pitch(sound[:HZ]) == pytest.approx(440, abs=2)
    assert pitch(sound[-HZ // 2 :]) == pytest.approx(660, abs=4)
    assert next(data["outcome"] for kind, data in events if kind == "ended").startswith("provider_")


async def test_the_same_bytes_in_every_call(tmp_path):
    found = []
    async with running(settings(tmp_path, "greeting: {prompt: taped}\n")) as (gateway, events):
        for _ in range(2):
            async with Caller(gateway.sip_port, "eve") as call:
                assert await call.invite() == 200
                await call.until_quiet(0.6)
                call.bye()
            found.append(heard(call))
    assert len(found[0]) > 0.95 * HZ
    assert np.array_equal(*found)
    assert [kind for kind, _ in events].count("prompt_played") == 2


async def test_the_agent_knows_what_was_said(tmp_path):
    pytest.importorskip("espeakng_loader", reason="the extra local is not installed")
    greeting = "greeting: {say: 'Good day, {{agent}}. Your call is recorded.', verbatim: true}\n"
    async with a_call(settings(tmp_path, greeting)) as (gateway, call, events):
        await call.until_quiet(0.8)
        (current,) = gateway.switchboard.calls
        told = str(current.session.history.items())
        call.bye()
        await until(events, "ended")
    said = {"text": "Good day, eve. Your call is recorded.", "source": "local"}
    assert next(data for kind, data in events if kind == "prompt_played") == said
    assert said["text"] in told


async def test_a_speech_service_that_is_gone_is_followed_by_the_embedded_voice(tmp_path):
    pytest.importorskip("espeakng_loader", reason="the extra local is not installed")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        speech = {"acme": {"url": f"http://127.0.0.1:{nobody.getsockname()[1]}/v1/audio/speech"}}
        greeting = "greeting: {say: This call is recorded., verbatim: true, speech: acme}\n"
        async with a_call(settings(tmp_path, greeting, speech=speech)) as (_, call, events):
            await call.until_quiet(0.8)
            call.bye()
            await until(events, "ended")
    assert "acme" in next(data["problem"] for kind, data in events if kind == "prompt_failed")
    assert next(data["source"] for kind, data in events if kind == "prompt_played") == "local"
    assert len(heard(call)) > HZ


CONSENT = """
transcription: {model: local}
greeting: {prompt: sorry}
answer_within_seconds: 0
recording:
  start: answer
  announcement: {prompt: taped}
  consent: {seconds: 4, tries: 1, without: hang_up}
local: {rules: [{hears: "yes please", says: This is nothing that anybody should hear.}]}
"""


@needs_ears
async def test_consent_by_a_word_is_recorded_and_what_the_model_says_to_it_is_not_heard(tmp_path):
    async with a_call(settings(tmp_path, CONSENT)) as (gateway, call, events):
        await until(events, "prompt_played")
        await call.until_quiet(0.3)
        await call.talk(narrowband("yes please"))
        await call.silence(2)
        given = await until(events, "consent")
        assert (given["answer"], given["by"]) == ("yes", "word")
        await until(events, "recording_started")
        await call.silence(1.5)
        assert [data["prompt"] for kind, data in events if kind == "prompt_played"] == ["taped", "sorry"]
        sound = heard(call)
        assert pitch(sound[-HZ // 2 :]) == pytest.approx(660, abs=4)  # nothing behind the greeting
        record = gateway.switchboard.calls[0].record()
        assert (record["consent"]["answer"], record["recording"]) == ("yes", "on")
    assert list((tmp_path / "tapes").glob("*.wav"))


async def test_no_consent_no_recording_and_no_call_whatever_the_provider_does(tmp_path):
    agent = CONSENT.replace("transcription: {model: local}", "provider: acme\nmodel: m")
    async with provider("mute") as url, a_call(settings(tmp_path, agent, url)) as (_, call, events):
        await asyncio.wait_for(call.over.wait(), 20)
    assert next(data["answer"] for kind, data in events if kind == "consent") == "none"
    assert next(data["outcome"] for kind, data in events if kind == "ended") == "consent_refused"
    assert not list((tmp_path / "tapes").glob("*.wav"))


# Of which the recogniser understands each word where nothing is between it and the voice: its own mistakes are not
# what is measured.
SENTENCES = [
    "the call may be recorded for training",
    "you are number three in the line",
    "our office is closed today",
    "please leave a message after the tone",
    "for sales press one for support press two",
    "all of our agents are busy right now",
    "thank you for calling garden house",
    "your call is important to us",
    "we are open from nine to five",
    "please hold the line",
]


def near_to(sentence):
    """The sentence, and others that lack a word of it: its first, its last, one in the middle."""
    words = sentence.split()
    return [sentence, *(" ".join(words[:at] + words[at + 1 :]) for at in (0, len(words) // 2, len(words) - 1))]


def recogniser():
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL", lm=None, samprate=16000, cmn="batch", lowerf=200, upperf=3700, bestpath=False)
    choices = " | ".join(one for sentence in SENTENCES for one in near_to(sentence))
    decoder.add_jsgf_string("a", f"#JSGF V1.0;\ngrammar a;\npublic <a> = {choices};\n")
    decoder.activate_search("a")

    def understand(sound):
        quiet = np.zeros(3000, np.int16)
        wide = Resampler(HZ, 16000).push(np.concatenate((quiet, sound, quiet)))
        noisy = wide + np.random.default_rng(1).normal(0, 100, len(wide))
        decoder.start_utt()
        decoder.process_raw(np.clip(noisy, -32768, 32767).astype("<i2").tobytes(), False, True)
        decoder.end_utt()
        return decoder.hyp().hypstr if decoder.hyp() else ""

    return understand


@needs_ears
async def test_ten_sentences_come_through_g711_word_for_word(tmp_path):
    understand, wrong, words = recogniser(), 0, 0
    async with a_call(settings(tmp_path, "voice: en-us\n")) as (gateway, call, events):
        (live,) = gateway.switchboard.calls
        for sentence in SENTENCES:
            call.packets.clear()
            gateway.switchboard.command("say", live.info.call_id, {"text": sentence, "verbatim": True})
            await call.until_quiet(0.5)
            found, wanted = understand(heard(call)).split(), sentence.split()
            words += len(wanted)
            wrong += sum(one != other for one, other in zip_longest(found, wanted))
        assert [data["source"] for kind, data in events if kind == "prompt_played"] == ["local"] * 10
    print(f"{wrong} of {words} words wrong, among {4 * len(SENTENCES)} sentences that are near to each other")
    assert wrong == 0
