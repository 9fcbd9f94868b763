"""Words that are said exactly, on a telephone with real RTP: whatever the provider does."""

from __future__ import annotations

import asyncio
import socket
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest

from gateway.codecs import g711
from tests.caller import Caller
from tests.gatewayd import running, settings_for

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
