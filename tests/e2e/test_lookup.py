"""What is asked before a call is answered, and after it has ended: real calls, real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import orjson
import pytest

from tests.caller import Caller
from tests.e2e.test_verbatim import until
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

LOOKUP = '''
from gateway.agents import CallContext, tool
import asyncio

@tool
async def who_is_it(call: CallContext) -> dict:
    """Who calls."""
    await asyncio.sleep(0.3)
    return {ANSWER}
'''


@asynccontextmanager
async def server(answer):
    """An HTTP server that gives `answer`, JSON, to each body that it is sent; the bodies."""
    bodies = []

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length:")[2].partition("\r\n")[0])
        bodies.append(orjson.loads(await reader.readexactly(length)))
        data = orjson.dumps(answer)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + f"Content-Length: {len(data)}\r\n\r\n".encode() + data
        )  # fmt: skip
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", bodies
    finally:
        listener.close()


def settings(folder, answer, agent="", seconds=2.0, **more):
    (folder / "eve.py").write_text(LOOKUP.replace("{ANSWER}", repr(answer)))
    text = 'greeting: {say: "Good day, {{var.name}}.", verbatim: true}\n'
    text += f"lookup: {{tool: who_is_it, seconds: {seconds}}}\n"
    return settings_for(folder, {"eve": text + agent, "vip": "greeting: {say: At once., verbatim: true}\n"}, **more)


async def played(settings):
    async with running(settings) as (gateway, events), Caller(gateway.sip_port, "desk") as call:
        began = asyncio.get_running_loop().time()
        assert await call.invite() == 200
        seconds = asyncio.get_running_loop().time() - began
        said = (await until(events, "prompt_played"))["text"]
        return said, events, gateway.switchboard.calls[0].record()["agent"], seconds, call.provisional


async def test_a_function_is_asked_while_it_rings_and_its_variables_are_said(tmp_path):
    said, events, agent, seconds, provisional = await played(settings(tmp_path, {"variables": {"name": "Ann"}}))
    assert (said, agent) == ("Good day, Ann.", "eve")
    assert seconds > 0.3
    assert 180 in provisional
    found = next(data for kind, data in events if kind == "looked_up")
    assert (found["variables"], found["ms"] >= 300) == (["name"], True)


async def test_it_names_another_agent_or_another_greeting(tmp_path):
    said, _, agent, *_ = await played(settings(tmp_path, {"agent": "vip"}))
    assert (said, agent) == ("At once.", "vip")
    said, _, agent, *_ = await played(settings(tmp_path, {"greeting": "Welcome back."}))
    assert (said, agent) == ("Welcome back.", "eve")


@pytest.mark.parametrize("trouble", ["slow", "nonsense", "nobody", "at_once"])
async def test_a_lookup_that_fails_costs_nothing_but_its_time(tmp_path, trouble):
    answer = {"slow": {}, "nonsense": {"x": 1}, "nobody": {"agent": "nobody"}, "at_once": {"x": 1}}[trouble]
    more = {"trunks": [{"name": "here", "peers": ["127.0.0.1"], "answer": "at_once"}]} if trouble == "at_once" else {}
    said, events, agent, *_ = await played(settings(tmp_path, answer, seconds=0.1 if trouble == "slow" else 2, **more))
    assert (said, agent) == ("Good day, .", "eve")
    assert [kind for kind, _ in events if kind == "lookup_failed"]


async def test_a_menu_leads_to_an_agent_that_asks_first(tmp_path):
    menus = {
        "main": {
            "says": "Hello.",
            "keys": {"1": "agent:eve"},
            "otherwise": "agent:eve",
            "wait_seconds": 0.1,
            "tries": 1,
        }
    }
    wanted = settings(
        tmp_path, {"variables": {"name": "Ann"}}, menus=menus, routes=[{"called": "*", "to": "menu:main"}]
    )
    async with running(wanted) as (gateway, events), Caller(gateway.sip_port, "desk") as call:
        assert await call.invite() == 200
        async with asyncio.timeout(10):
            while "Good day, Ann." not in [data["text"] for kind, data in events if kind == "prompt_played"]:
                await asyncio.sleep(0.05)


AFTER = """
transcription: {{model: local}}
local: {{rules: [{{hears: opening hours, says: From nine to five.}}]}}
after: {{chat: {{url: "{url}", model: m}}, fields: {{topic: {{type: string}}}}, score: Was the caller helped}}
"""


@needs_ears
async def test_a_call_is_summed_up_after_its_end(tmp_path):
    made = {"summary": "Hours were asked for.", "fields": {"topic": "hours"}, "score": 9}
    chat = {"choices": [{"message": {"content": orjson.dumps(made).decode()}}]}
    async with server(chat) as (url, asked), server({}) as (hook, told):
        hooks = [{"url": hook, "events": ["call.summary"]}]
        wanted = settings(tmp_path, {"variables": {"name": "Ann"}}, AFTER.format(url=url), webhooks=hooks)
        async with running(wanted) as (gateway, events), Caller(gateway.sip_port, "desk") as call:
            assert await call.invite() == 200
            await call.until_quiet()
            await call.talk(narrowband("opening hours"))
            await call.until_quiet()
            call.bye()
            await until(events, "ended")
            async with asyncio.timeout(15):
                while not told:
                    await asyncio.sleep(0.05)
            (call_id,) = [record["call_id"] for record in await gateway.store.calls.recent(5)]
            record = await gateway.store.calls.record(call_id)
    assert "Caller: opening hours\nAgent: From nine to five." in asked[0]["messages"][1]["content"]
    assert {name: record[name] for name in made} == made
    assert (told[0]["type"], told[0]["data"]["call"]["score"]) == ("call.summary", 9)
