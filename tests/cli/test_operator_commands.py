"""The desk's commands as a person uses them: in processes of their own, against a gateway that runs."""

import asyncio
import json
import socket
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway import api
from gateway.errors import ConfigError
from gateway.store.connection import server_executable
from tests.caller import Caller
from tests.gatewayd import free_port, running, settings_for
from tests.store.servers import start_server
from tests.wire import request

GATEWAY = Path(sys.executable).parent / "gateway"
pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def gateway_(*arguments, code=0):
    """What it prints."""
    done = await asyncio.to_thread(
        subprocess.run, [GATEWAY, *arguments], capture_output=True, text=True, timeout=60, env={"COLUMNS": "200"}
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


async def test_a_call_from_the_desk(tmp_path):
    agents = {"eve": "greeting: Hello [there].\ntranscription: {model: local}\n", "bob": "greeting: Hi.\n"}
    async with running(settings_for(tmp_path, agents)) as (gateway, events), api.serve(gateway) as port:
        url = ("--url", f"http://127.0.0.1:{port}")
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            (live,) = json.loads(await gateway_("calls", "--live", "--json", *url))["data"]
            call_id = live["call_id"]
            table = await gateway_("calls", *url)
            brief = call_id.removeprefix("call_")[:8]
            assert brief in table
            assert max(map(len, table.splitlines())) <= 80
            assert "answered" in table
            assert "reception" in table
            shown = await gateway_("call", "show", call_id, *url)
            assert "Hello [there]." in shown
            assert json.loads(await gateway_("call", "show", call_id, "--json", *url))["state"] == "answered"
            assert f"call_id={call_id} state=answered agent=eve" in await gateway_(
                "call", "say", call_id, "One moment.", *url
            )
            assert "has 1 calls still, after 0.2 s" in await gateway_("drain", "--wait", "0.2", *url, code=1)
            assert "draining=False" in await gateway_("drain", "--off", *url)
            await gateway_("call", "hold", brief, *url)
            await gateway_("call", "hold", call_id, "--off", *url)
            await gateway_("call", "update", call_id, "bob", *url)
            assert "agent" in await gateway_("call", "update", call_id, "nobody", *url, code=1)
            assert "is no destination" in await gateway_("call", "transfer", call_id, "the moon", *url, code=1)
            tail = asyncio.create_task(gateway_("call", "tail", call_id, *url))
            await gateway_("call", "hangup", call_id, *url)
            lines = (await tail).splitlines()
            assert "   0.00 incoming: agent=eve" in lines[0]
            assert any("transcript assistant: Hello [there]." in line for line in lines)
            assert "ended: outcome=hung_up_by_request" in lines[-1]
            assert "there is no call" in await gateway_("call", "hangup", call_id, *url, code=1)
        (node,) = json.loads(await gateway_("nodes", "--json", *url))["data"]
        assert "draining=True" in await gateway_("drain", node["id"], *url)
        assert "draining" in await gateway_("nodes", *url)
        assert "draining=True" in await gateway_("drain", node["id"][:4], "--wait", "5", *url)  # it has none
        assert "'nobody' fits none of: " in await gateway_("drain", "nobody", *url, code=2)
        assert "--wait: is for draining" in await gateway_("drain", "--off", "--wait", "5", *url, code=2)
        assert "draining=False" in await gateway_("drain", node["id"], "--off", *url)
        await gateway_("calls", "--url", "http://127.0.0.1:9", code=1)
        assert [kind for kind, _ in events].count("ended") == 1


async def test_who_is_not_listened_to_and_listening_again(tmp_path):
    trunks = [{"name": "here", "peers": ["127.0.0.1"]}]
    settings = settings_for(tmp_path, {"eve": "greeting: Hello.\n"}, trunks=trunks)
    async with running(settings) as (gateway, _), api.serve(gateway) as port:
        url = ("--url", f"http://127.0.0.1:{port}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.9", 0))
            for number in range(25):
                stranger.sendto(request(branch=f"z9hG4bK{number}"), ("127.0.0.1", gateway.sip_port))
            await asyncio.sleep(0.2)
        (ban,) = json.loads(await gateway_("bans", "--json", *url))["data"]
        assert (ban["address"], ban["account"], 590 < ban["seconds"] <= 600) == ("127.0.0.9", "", True)
        assert "127.0.0.9" in await gateway_("bans", *url)
        await gateway_("bans", "--lift", "127.0.0.9", *url)
        assert json.loads(await gateway_("bans", "--json", *url))["data"] == []
        assert "127.0.0.9" in await gateway_("bans", "--lift", "127.0.0.9", *url, code=1)


async def test_a_calendar_that_somebody_closes(tmp_path):
    hours = {"shop": {"timezone": "Europe/Berlin", "open": {"daily": "00:00-24:00"}}}
    settings = settings_for(tmp_path, {"eve": "greeting: Hello.\n"}, hours=hours)
    async with running(settings) as (gateway, _), api.serve(gateway) as port:
        url = ("--url", f"http://127.0.0.1:{port}")
        assert "open" in await gateway_("override", *url)
        tomorrow = date.today() + timedelta(days=1)
        closed = await gateway_("override", "shop", "closed", "--until", f"{tomorrow}T18:00", *url)
        assert "closed" in closed
        assert f"{tomorrow} 18:00 CE" in closed  # by the clock there
        assert "this machine" in closed
        assert not gateway.switchboard.overrides["shop"].open
        (row,) = json.loads(await gateway_("override", "shop", "off", "--json", *url))["data"]
        assert (row["open"], row["overridden_by"]) == (True, None)
        assert "these are: shop" in await gateway_("override", "office", "open", *url, code=1)
        assert "none of: open, closed, off" in await gateway_("override", "shop", "shut", *url, code=2)
        assert "'noon' is no date" in await gateway_("override", "shop", "open", "--until", "noon", *url, code=2)


async def test_the_first_key_by_the_file_and_others_by_the_api(tmp_path):
    redis = await start_server(tmp_path, port := free_port())
    try:
        (tmp_path / "agents").mkdir()
        values = {"redis": {"url": f"redis://127.0.0.1:{port}"}, "http": {"port": 0, "auth": "always"}}
        settings = settings_for(tmp_path / "agents", {"eve": "greeting: Hello.\n"}, **values)
        file = tmp_path / "gateway.yaml"
        file.write_text(f"agents: agents\nredis: {{url: redis://127.0.0.1:{port}}}\nroutes: [{{agent: eve}}]\n")
        async with running(settings) as (gateway, _), api.serve(gateway) as http:
            url = ("--url", f"http://127.0.0.1:{http}")
            assert "a key is needed" in await gateway_("calls", *url, code=1)
            first = (await gateway_("keys", "add", "desk", "--role", "admin", "-c", str(file))).strip()
            assert first.startswith("gw_")
            assert "there is no role" in await gateway_("keys", "add", "x", "--role", "king", "-c", str(file), code=2)
            made = json.loads(await gateway_("keys", "add", "wall", "--json", *url, "--key", first))
            assert "needs operate" in await gateway_("call", "hangup", "x", *url, "--key", made["key"], code=1)
            listed = await gateway_("keys", "list", *url, "--key", first)
            assert "desk" in listed
            assert "wall" in listed
            await gateway_("keys", "remove", made["id"], *url, "--key", first)
            assert "not known" in await gateway_("calls", *url, "--key", made["key"], code=1)
        file.write_text("agents: agents\nroutes: [{agent: eve}]\n")
        assert "embedded Redis" in await gateway_("keys", "add", "x", "-c", str(file), code=2)
    finally:
        redis.terminate()
        await redis.wait()


async def test_every_node_reads_its_file_again(tmp_path):
    settings = settings_for(tmp_path, {"eve": "greeting: Hello.\n"})
    async with running(settings) as (gateway, _), api.serve(gateway) as port:
        url = ("--url", f"http://127.0.0.1:{port}")
        assert "reloaded" in await gateway_("reload", *url)

        def broken():
            raise ConfigError("gateway.yaml", "is not to be read")

        gateway.read = broken
        assert "gateway.yaml: is not to be read" in await gateway_("reload", *url, code=2)
