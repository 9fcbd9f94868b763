"""Menus and mailboxes on a telephone: real RTP, keys by RFC 4733, the embedded voice and the embedded provider."""

from __future__ import annotations

import asyncio
import struct
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest

from tests.caller import Caller
from tests.e2e.test_verbatim import heard, pitch, tone, until
from tests.gatewayd import running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

AGENT = "greeting: {prompt: agent}\n"


def settings(folder, **more):
    """Each place has a pitch of its own."""
    pitches = {"main": 440, "sub": 550, "agent": 660, "box": 770, "thanks": 880}
    for name, hz in pitches.items():
        tone(folder / f"{name}.wav", hz, 0.6)
    base = {
        "prompts": {name: {"file": str(folder / f"{name}.wav")} for name in pitches},
        "menus": {
            "main": {
                "says": {"prompt": "main"},
                "keys": {"1": "agent:eve", "2": "menu:sub", "3": "voicemail:box", "4": "tel:+491"},
                "otherwise": "agent:eve",
                "wait_seconds": 1,
                "tries": 1,
            },
            "sub": {"says": {"prompt": "sub"}, "keys": {"1": "agent:eve"}},
        },
        "voicemail": {"box": {"says": {"prompt": "box"}, "thanks": {"prompt": "thanks"}, "silence_seconds": 1}},
        "recordings": str(folder / "rec"),
        "routes": [{"called": "*", "to": "menu:main"}],
    }
    return settings_for(folder, {"eve": AGENT}, **base | more)


@asynccontextmanager
async def a_call(settings):
    async with running(settings) as (gateway, events), Caller(gateway.sip_port, "desk") as call:
        assert await call.invite() == 200
        yield gateway, call, events


async def press(call, key):
    """A key of 100 ms as telephones send it (RFC 4733 section 2.5.1.2): five packets, the end three times."""
    event = "0123456789*#".index(key)
    for duration, end in ((160, 0), (320, 0), (480, 0), (640, 0x80), (640, 0x80), (640, 0x80)):
        call.send_rtp(struct.pack("!BBH", event, end | 10, duration), 101)
        await asyncio.sleep(0.02)


async def test_a_key_leads_to_the_agent_whose_session_was_not_opened_before(tmp_path):
    async with a_call(settings(tmp_path)) as (gateway, call, events):
        answered = asyncio.get_running_loop().time()
        await until(events, "prompt_played")
        await asyncio.sleep(0.3)
        assert gateway.switchboard.calls[0].session.begun is False
        await press(call, "2")
        await asyncio.sleep(0.3)
        await press(call, "1")
        await until(events, "agent_updated")
        await call.until_quiet()
        first = next(one.at for one in call.packets if not one.silent)
        print(f"the first word {1000 * (first - answered):.0f} ms after the 200")
        (live,) = gateway.switchboard.calls
        assert live.record()["path"] == ["menu:main", "menu:sub", "agent:eve"]
        assert live.session.begun
        assert pitch(heard(call)[-2000:]) == pytest.approx(660, abs=8)
        told = [data["prompt"] for kind, data in events if kind == "prompt_played"]
        assert told == ["main", "sub", "agent"]


async def test_who_presses_nothing_gets_the_agent(tmp_path):
    async with a_call(settings(tmp_path)) as (_, _call, events):
        assert (await until(events, "agent_updated"))["agent"] == "eve"
        assert [data["why"] for kind, data in events if kind == "routed"] == ["route", "no_input"]


async def test_a_message_is_recorded_as_it_was_spoken(tmp_path):
    async with a_call(settings(tmp_path)) as (_, call, events):
        await until(events, "prompt_played")
        await press(call, "3")
        await until(events, "voicemail_begun")
        await call.until_quiet(0.3)
        await call.talk(narrowband("please call me back tomorrow"))
        await call.silence(1.5)
        left = await until(events, "voicemail_left")
        assert (left["box"], left["why"]) == ("box", "silence")
        await asyncio.wait_for(call.over.wait(), 5)
        assert next(data["outcome"] for kind, data in events if kind == "ended") == "voicemail"
        assert pitch(heard(call)[-3000:]) == pytest.approx(880, abs=8)  # thanks
    with wave.open(str(tmp_path / "rec" / "voicemail" / left["file"])) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 8000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert len(samples) / 8000 == pytest.approx(left["seconds"], abs=0.1)
    assert np.abs(samples).max() > 3000


async def test_a_number_that_nobody_answers_leads_on_from_a_route(tmp_path):
    routes = [{"called": "*", "to": "tel:+491?trunk=away", "otherwise": "menu:main"}]
    trunks = [
        {"name": "here", "peers": ["127.0.0.1"]},
        {"name": "away", "server": "sip:127.0.0.1:9;transport=tcp", "peers": ["192.0.2.1"]},
    ]
    async with a_call(settings(tmp_path, routes=routes, trunks=trunks)) as (_, _call, events):
        assert (await until(events, "route_failed"))["next"] == "menu:main"
        assert (await until(events, "prompt_played"))["prompt"] == "main"


async def test_a_menu_is_heard_before_the_answer_where_the_trunk_lets_it(tmp_path):
    menus = {"main": {"says": {"prompt": "main"}, "keys": {"1": "agent:eve"}, "answer": "early", "otherwise": "hangup"}}
    trunks = [{"name": "here", "peers": ["127.0.0.1"], "answer": "early"}]
    wanted = settings(tmp_path, menus=menus, trunks=trunks)
    async with running(wanted) as (gateway, events), Caller(gateway.sip_port, "desk") as call:
        answer = asyncio.create_task(call.invite())
        await until(events, "prompt_played")
        await asyncio.sleep(0.4)
        assert (gateway.switchboard.calls[0].state, call.provisional[-1]) == ("ringing", 183)
        assert pitch(heard(call)[:2000]) == pytest.approx(440, abs=8)
        await asyncio.sleep(0.5)
        await press(call, "1")
        assert await answer == 200
        assert (await until(events, "answered")) == {}
