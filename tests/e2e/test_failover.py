"""A provider that dies, stalls, refuses or expires while somebody talks with its agent."""

from __future__ import annotations

import asyncio
import wave
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest

from gateway.local import LocalProcess, LocalSettings, Script
from gateway.local.script import Rule
from tests.caller import Caller, heard_ms
from tests.cutter import Cutter
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

STORY = "Once upon a time there was a gateway that never lost a call and all its callers lived happily ever after"
SCRIPT = Script(
    (
        Rule(("my name is {name}",), says="Hello {name}."),
        Rule(("what is my name",), says="You are {name}."),
        Rule(("tell me a story",), says=STORY),
    ),
    {"name": ("anna", "robert")},
)
AGENT = "provider: cut\nmodel: eve\ngreeting: Good day.\ntranscription: {model: local}\n"


@asynccontextmanager
async def cuttable():
    """The embedded server behind a cable that can be cut."""
    async with LocalProcess(LocalSettings(scripts={"eve": SCRIPT})) as url, Cutter(urlsplit(url).port) as cutter:
        yield cutter


def of(events, kind):
    return [data for name, data in events if name == kind]


def said(events, role):
    return [data["text"] for data in of(events, "transcript") if data["role"] == role]


async def until(call, condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not condition():
            await call.silence(0.06)


async def ask(call, events, words):
    """The caller says it; returns when the agent has answered and been heard."""
    before = len(said(events, "assistant"))
    await call.talk(narrowband(words))
    await until(call, lambda: len(said(events, "assistant")) > before)
    await call.until_quiet()


@needs_ears
async def test_the_agent_remembers_what_was_said_before_the_break(tmp_path):
    async with cuttable() as cutter:
        settings = settings_for(tmp_path, {"eve": AGENT}, providers={"cut": {"url": cutter.url}})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            await ask(call, events, "my name is anna")
            cutter.cut()
            await until(call, lambda: of(events, "provider_restored"))
            await ask(call, events, "what is my name")
            assert said(events, "assistant")[-1] == "You are anna."
            assert said(events, "assistant").count("Good day.") == 1
            assert cutter.connections == 2
            assert len(gateway.switchboard.calls) == 1
            assert gateway.switchboard.calls[0].record()["reconnects"] == 1
            call.bye()


@needs_ears
async def test_a_question_that_is_cut_in_two_is_heard_whole(tmp_path):
    async with cuttable() as cutter:
        settings = settings_for(tmp_path, {"eve": AGENT}, providers={"cut": {"url": cutter.url}})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            question = narrowband("my name is robert")
            half = len(question) // 320 * 160
            await call.talk(question[:half])
            cutter.cut()
            await call.talk(question[half:])
            await until(call, lambda: "Hello robert." in said(events, "assistant"))
            assert said(events, "user") == ["my name is robert"]
            call.bye()


@needs_ears
async def test_a_sentence_that_is_cut_in_two_is_said_after_all(tmp_path):
    async with cuttable() as cutter:
        settings = settings_for(tmp_path, {"eve": AGENT}, providers={"cut": {"url": cutter.url}})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            began = len(call.packets)
            await call.talk(narrowband("tell me a story"))
            await until(call, lambda: any(packet.marker for packet in call.packets[began:]))
            cutter.cut()  # what has come is still to be heard
            await until(call, lambda: STORY in said(events, "assistant"))
            await call.until_quiet()
            assert heard_ms(call.packets[began:]) > 5000
            call.bye()


BACKUP = AGENT.replace("cut", "first") + "failover: [{provider: second, model: eve}]\n"


@needs_ears
async def test_the_second_provider_takes_over_at_the_start_and_in_mid_call(tmp_path):
    async with cuttable() as first, cuttable() as second:
        providers = {"first": {"url": first.url, "failover_seconds": 1.0}, "second": {"url": second.url}}
        settings = settings_for(tmp_path, {"eve": BACKUP}, providers=providers)
        async with running(settings) as (gateway, events):
            first.refusing = True
            async with Caller(gateway.sip_port) as call:
                assert await call.invite() == 200
                await call.until_quiet()
                call.bye()
                await asyncio.sleep(0.1)
            assert of(events, "provider_failed")[0]["provider"] == "first"
            first.refusing = False
            async with Caller(gateway.sip_port) as call:
                assert await call.invite() == 200
                await call.until_quiet()
                await ask(call, events, "my name is anna")
                first.refusing = True
                first.cut()
                await until(call, lambda: of(events, "provider_restored"))
                await ask(call, events, "what is my name")
                record = gateway.switchboard.calls[0].record()
                call.bye()
            assert said(events, "assistant")[-1] == "You are anna."
            assert (record["provider"], record["providers"]) == ("second", ["first", "second"])


async def test_a_provider_that_hears_nothing_any_more(tmp_path):
    """No connection ends, and nothing comes: the response that is waited for tells."""
    async with cuttable() as cutter:
        row = {"url": cutter.url, "response_seconds": 1.0}
        settings = settings_for(tmp_path, {"eve": AGENT}, providers={"cut": row})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            cutter.deaf.clear()
            gateway.switchboard.calls[0].session.create_response("Say exactly: Are you there?")
            await until(call, lambda: of(events, "provider_broken"))
            assert "said nothing for" in of(events, "provider_broken")[0]["problem"]
            cutter.deaf.set()
            await until(call, lambda: "Are you there?" in said(events, "assistant"))
            call.bye()


async def test_when_all_are_down_the_caller_hears_why_and_is_put_through(tmp_path):
    for name in ("house", "desk"):
        (tmp_path / name).mkdir()
    with wave.open(str(tmp_path / "house" / "sorry.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes((8000 * np.sin(np.arange(24000) / 10)).astype("<i2").tobytes())
    desk = "greeting: This is the desk.\ntranscription: {model: local}\n"
    async with cuttable() as cutter, running(settings_for(tmp_path / "desk", {"bob": desk})) as (other, there):
        agent = AGENT + f"on_provider_failure: {{play: sorry.wav, forward: 'sip:bob@127.0.0.1:{other.sip_port}'}}\n"
        settings = settings_for(
            tmp_path / "house",
            {"eve": agent},
            providers={"cut": {"url": cutter.url}},
            trunks=[{"name": "t", "peers": ["127.0.0.1"], "transfer": "bridge"}],
        )
        cutter.refusing = True
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await until(call, lambda: "bridged" in [kind for kind, _ in events])
            await until(call, lambda: said(there, "assistant"))
            kinds = [kind for kind, _ in events]
            assert kinds.index("agent_lost") < kinds.index("transfer_started") < kinds.index("bridged")
            loud = [packet for packet in call.packets if not packet.silent]
            assert len(loud) > 50  # the prompt, one second
            call.bye()
            await asyncio.sleep(0.2)


async def test_without_any_such_rule_the_call_is_refused_at_once(tmp_path):
    async with cuttable() as cutter:
        settings = settings_for(tmp_path, {"eve": AGENT}, providers={"cut": {"url": cutter.url}})
        cutter.refusing = True
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 503
            assert of(events, "ended")[0]["outcome"] == "provider_unreachable"


async def test_a_queue_lets_it_ring_until_somebody_is_there(tmp_path):
    async with cuttable() as cutter:
        agent = AGENT + "on_provider_failure: {queue_seconds: 20}\n"
        settings = settings_for(tmp_path, {"eve": agent}, providers={"cut": {"url": cutter.url}})
        cutter.refusing = True
        async with running(settings) as (gateway, _), Caller(gateway.sip_port) as call:
            asyncio.get_running_loop().call_later(2.0, setattr, cutter, "refusing", False)
            assert await call.invite() == 200
            await call.until_quiet()
            call.bye()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("close:3", "provider_restored"),
        ("expire:3", "provider_restored"),
        ("error:1", "provider_fault"),
        ("garbage:0.05", ""),
        ("slow:0.02", ""),
    ],
)
@needs_ears
async def test_the_talk_goes_on_whatever_the_provider_does(tmp_path, fault, kind):
    """Faults of the embedded server's own, again in every session."""
    async with LocalProcess(LocalSettings(scripts={"eve": SCRIPT})) as url:
        agent = AGENT.replace("model: eve", f"model: eve+{fault}")
        settings = settings_for(tmp_path, {"eve": agent}, providers={"cut": {"url": url}})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            await ask(call, events, "my name is anna")
            await call.silence(3)
            await ask(call, events, "what is my name")
            assert said(events, "assistant")[-1] == "You are anna."
            assert not kind or of(events, kind)
            assert not of(events, "ended")
            call.bye()


@needs_ears
async def test_a_slow_provider_need_not_keep_the_telephone_ringing(tmp_path):
    async with cuttable() as cutter:
        agent = AGENT + "answer_within_seconds: 0.3\n"
        settings = settings_for(tmp_path, {"eve": agent}, providers={"cut": {"url": cutter.url}})
        cutter.deaf.clear()
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert await call.invite() == 200
            assert loop.time() - began < 1
            loop.call_later(2.0, cutter.deaf.set)
            await call.talk(narrowband("my name is robert"))  # to nobody yet
            await until(call, lambda: "Good day." in said(events, "assistant"))
            await call.until_quiet()
            await ask(call, events, "my name is anna")
            assert said(events, "assistant") == ["Good day.", "Hello anna."]
            stages = gateway.switchboard.calls[0].record()["stages"]
            assert stages["answered_ms"] < 1000 < stages["session_ms"] < stages["first_audio_ms"]
            call.bye()
