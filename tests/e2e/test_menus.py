"""Menus and mailboxes on a telephone: real RTP, keys by RFC 4733, the embedded voice and the embedded provider."""

from __future__ import annotations

import asyncio
import shutil
import struct
import wave
from asyncio.subprocess import DEVNULL
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from gateway import api
from gateway.agents import load_agents
from tests.caller import Caller
from tests.e2e.conftest import GATEWAY, ROOT
from tests.e2e.test_dashboard import CHROMIUM, accessible, browser, page_of, picture
from tests.e2e.test_dashboard import until as until_in
from tests.e2e.test_verbatim import heard, pitch, tone, until
from tests.gatewayd import free_port, needs_ears, running, settings_for
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


BOX = {
    "says": "Please leave a message after the beep.",
    "thanks": "Thank you.",
    "silence_seconds": 3.5,  # a telephone on a busy machine takes its time to begin
    "transcribe": "local",
}


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@needs_ears
@needs_browser
async def test_messages_of_sipp_and_of_a_pjsip_phone_are_heard_in_the_dashboard(tmp_path):
    wanted = settings(tmp_path, voicemail={"box": BOX}, menus={}, routes=[{"called": "*", "to": "voicemail:box"}])
    sipp = [
        "sipp", "-sf", "voicemail.xml", "-s", "desk", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-m", "1", "-nostdin",
        "-timeout", "40", "-timeout_error", "-recv_timeout", "20000", "-p", str(free_port()),
    ]  # fmt: skip
    phone = [
        str(GATEWAY),
        "phone",
        "--say",
        "please call me back",
        "--caller",
        "ann",
        "--after",
        "4.5",
        "--seconds",
        "30",
    ]
    stacks = ["pjsip"] if find_spec("pjsua2") else ["own"]
    async with running(wanted) as (gateway, events), api.serve(gateway) as port, browser() as chromium:
        callers = [[*sipp, f"127.0.0.1:{gateway.sip_port}"]] if shutil.which("sipp") else []
        callers += [[*phone, "--stack", stack, f"sip:desk@127.0.0.1:{gateway.sip_port}"] for stack in stacks]
        for number, command in enumerate(callers, 1):
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT / "sipp-scenarios", stdout=DEVNULL, stderr=DEVNULL
            )
            assert await asyncio.wait_for(process.wait(), 60) == 0
            async with asyncio.timeout(60):
                while sum(one.get("transcript") is not None for one in await messages(gateway)) < number:
                    await asyncio.sleep(0.1)
        left = [data for kind, data in events if kind == "voicemail_left"]
        assert [one["why"] for one in left][:1] == ["silence"]
        print([(one["caller"], one["seconds"], one["transcript"]) for one in await messages(gateway)])
        async with page_of(chromium, f"http://127.0.0.1:{port}/#/voicemail") as page:
            await page.wait_for_selector("table.voicemail tbody tr")
            assert await page.locator("table.voicemail tbody tr.new").count() == len(callers)
            await accessible(page)
            await page.get_by_role("button", name="Listen").first.click()
            await page.wait_for_selector("audio")
            await until_in(page, "document.querySelector('audio').duration > 1")
            await until_in(page, "document.querySelector('audio').ended")
            await until_in(page, "document.querySelectorAll('tr.new').length < " + str(len(callers)))
            assert any(one["heard"] for one in await messages(gateway))
            await picture(page, "voicemail")
            await page.set_viewport_size({"width": 420, "height": 900})
            await picture(page, "voicemail-narrow")
            await page.locator("table.voicemail a").first.click()
            await page.get_by_text("A message of").wait_for()
            await picture(page, "voicemail-call")
            await accessible(page)
            await page.go_back()
            await page.wait_for_selector("table.voicemail tbody tr")
            await accessible(page)
            await page.get_by_role("button", name="Delete").first.click()
            await page.locator("#ask-yes").click()
            await until_in(page, "document.querySelectorAll('table.voicemail tbody tr').length < " + str(len(callers)))
            assert len(await messages(gateway)) == len(callers) - 1


async def messages(gateway):
    return [one for _, one in await gateway.store.voicemails.latest(1e11, 10) if one]


@needs_browser
async def test_calendars_are_opened_and_closed_in_the_dashboard(tmp_path):
    hours = {"office": {"timezone": "Europe/Berlin", "open": {"daily": "00:00-24:00"}}}
    async with (
        running(settings(tmp_path, hours=hours)) as (gateway, _),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/#/hours") as page,
    ):
        await page.get_by_role("button", name="Close", exact=True).click()
        await page.locator("#ask-fields input").fill(f"{datetime.now(UTC) + timedelta(days=9):%Y-%m-%d}T18:00")
        await page.locator("#ask-yes").click()
        await page.get_by_text("by hand").wait_for()
        said = gateway.switchboard.overrides["office"]
        there = datetime.fromtimestamp(said.until, ZoneInfo("Europe/Berlin"))
        assert (said.open, there.hour, there.minute) == (False, 18, 0)
        await accessible(page)
        await picture(page, "hours")
        await page.get_by_role("button", name="As written").click()
        await page.get_by_role("cell", name="the calendar").wait_for()
        assert gateway.switchboard.overrides == {}


@needs_ears
@pytest.mark.parametrize("audio", ["pcm", "g711"])
async def test_who_speaks_in_a_menu_is_answered_for_what_they_said_there(tmp_path, audio):
    menus = {"main": {"says": {"prompt": "main"}, "keys": {"1": "hangup"}, "speech": "agent:eve"}}
    wanted = settings(tmp_path, menus=menus)
    (tmp_path / "eve.yaml").write_text(
        f"audio: {audio}\ngreeting: Hello.\ntranscription: {{model: local}}\n"
        "local: {rules: [{hears: what are your opening hours, says: We are open from nine to five.}]}\n"
    )
    wanted = replace(wanted, agents=load_agents(tmp_path))
    async with a_call(wanted) as (_, call, events):
        await call.until_quiet(0.3)
        await call.talk(narrowband("what are your opening hours"))
        await call.until_quiet()
        said = [(data["role"], data["text"]) for kind, data in events if kind == "transcript"]
        assert said[1:] == [("user", "what are your opening hours"), ("assistant", "We are open from nine to five.")]
        assert [data["why"] for kind, data in events if kind == "routed"] == ["route", "speech"]
