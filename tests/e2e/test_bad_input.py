"""Each thing that can be wrong, made for real: the right SIP response or one line, and nothing else taken down."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
from websockets.asyncio.server import serve

from gateway.agents import BUNDLED
from gateway.errors import PortInUse
from tests.caller import SDP, Caller
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

PLAIN = "greeting: Hello.\n"


async def outcome(events, kind="ended", seconds=15):
    async with asyncio.timeout(seconds):
        while not (found := [data for name, data in events if name == kind]):
            await asyncio.sleep(0.02)
    return found[-1]


async def refused(tmp_path, agents, status, **values):
    """The outcome of a call that is refused with `status`; after it the gateway still takes what it is sent."""
    async with running(settings_for(tmp_path, agents, **values)) as (gateway, events):
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == status
        ended = await outcome(events)
        assert len(gateway.switchboard) == 0
        async with Caller(gateway.sip_port, sdp="v=0\r\nnonsense") as other:
            assert await other.invite() == 400
        return ended


async def test_a_provider_that_is_not_there(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}/v1/realtime"
        providers = {"acme": {"url": url}}
        ended = await refused(tmp_path, {"bob": "provider: acme\n"}, 503, providers=providers)
    assert ended["outcome"] == "provider_unreachable"
    assert "check the provider's url" in ended["problem"]


async def test_a_wrong_key(tmp_path, monkeypatch):
    import http

    def refuse(connection, request):
        assert request.headers["Authorization"] == "Bearer wrong"
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Incorrect API key provided\n")

    monkeypatch.setenv("ACME_KEY", "wrong")
    async with serve(lambda websocket: None, "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        providers = {"acme": {"url": url, "key_env": "ACME_KEY"}}
        ended = await refused(tmp_path, {"bob": "provider: acme\n"}, 503, providers=providers)
    assert ended["outcome"] == "provider_refused"
    assert "check the provider's key" in ended["problem"]
    assert "wrong" not in ended["problem"]


async def test_a_provider_that_closes_at_once(tmp_path):
    async def close(websocket):
        await websocket.close(1011, "overloaded")

    async with serve(close, "127.0.0.1", 0) as server:
        providers = {"acme": {"url": f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"}}
        ended = await refused(tmp_path, {"bob": "provider: acme\n"}, 503, providers=providers)
    assert "1011: overloaded" in ended["problem"]


async def test_a_caller_who_gives_up_while_the_provider_takes_its_time(tmp_path):
    over = asyncio.Event()

    async def mute(websocket):
        await over.wait()

    async with serve(mute, "127.0.0.1", 0, close_timeout=0.1) as server:
        providers = {"acme": {"url": f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"}}
        settings = settings_for(tmp_path, {"bob": "provider: acme\n"}, providers=providers)
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            inviting = asyncio.create_task(call.invite())
            async with asyncio.timeout(5):
                while 180 not in call.provisional:
                    await asyncio.sleep(0.01)
            call.cancel()
            assert await inviting == 487
            assert (await outcome(events))["outcome"] == "cancelled"
            assert len(gateway.switchboard) == 0
        over.set()


async def test_no_codec_no_route_and_sdp_that_is_none(tmp_path):
    routes = [{"called": "1*", "agent": "bob"}]
    async with running(settings_for(tmp_path, {"bob": PLAIN}, routes=routes)) as (gateway, events):
        table = [
            ("100", SDP.replace("AVP 0 101", "AVP 18"), 488, "no_common_codec"),
            ("100", "v=0\r\nm=audio\r\n", 400, "bad_session_description"),
            ("200", SDP, 404, "no_route"),
        ]
        for user, sdp, status, expected in table:
            events.clear()
            async with Caller(gateway.sip_port, user, sdp) as call:
                assert await call.invite() == status
            assert (await outcome(events))["outcome"] == expected
        assert "'1*' (agent:bob) does not match" in (await outcome(events))["problem"]
        async with Caller(gateway.sip_port, "100") as call:
            assert await call.invite() == 200


async def test_every_rtp_port_is_lent(tmp_path):
    media = {"first_port": 39000, "last_port": 39003}
    async with running(settings_for(tmp_path, {"bob": PLAIN}, media=media)) as (gateway, events):
        async with Caller(gateway.sip_port) as one, Caller(gateway.sip_port) as two, Caller(gateway.sip_port) as three:
            assert [await one.invite(), await two.invite(), await three.invite()] == [200, 200, 503]
        assert (await outcome(events))["outcome"] == "no_media_port"


@needs_ears
async def test_garbage_on_the_rtp_port_and_from_a_stranger(tmp_path):
    async with running(settings_for(tmp_path, {"bob": (BUNDLED / "receptionist.yaml").read_text().replace(
        "opening_hours, book_appointment", "")})) as (gateway, events), Caller(gateway.sip_port) as call:  # fmt: skip
        assert await call.invite() == 200
        rng = np.random.default_rng(5)
        stranger, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, ("127.0.0.1", 0)
        )
        await call.silence(0.1)
        for number in range(200):
            call.send_garbage(rng.bytes(int(rng.integers(0, 300))))
            stranger.sendto(struct.pack("!BBHII", 0x80, 0, number, number * 160, 9) + b"\x00" * 160, call._media)
        await call.until_quiet()
        await call.talk(narrowband("goodbye"))
        await asyncio.wait_for(asyncio.gather(call.over.wait(), call.silence(6)), 15)
        assert [data["text"] for kind, data in events if kind == "transcript"][1] == "goodbye"
        stranger.close()


SIP_GARBAGE = [
    b"\x00" * 64, b"INVITE\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n", b"\xff\xfe" * 200, b"GET / HTTP/1.1\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", b"ACK sip:a@b SIP/2.0\r\nContent-Length: 99999999999\r\n\r\n", b"A" * 65000,
]  # fmt: skip


async def test_malformed_sip_by_udp_and_tcp(tmp_path):
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, _):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as scanner:
            for data in SIP_GARBAGE:
                scanner.sendto(data, ("127.0.0.1", gateway.sip_port))
        for data in SIP_GARBAGE:
            _, writer = await asyncio.open_connection("127.0.0.1", gateway.sip_port)
            writer.write(data)
            await writer.drain()
            writer.close()
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            call.bye()
        assert gateway.switchboard.user_agent.refused > 0


TOOLS = """
import time
from gateway.agents import tool

@tool
def breaks() -> str:
    '''Raises.'''
    raise ValueError("out of paper")

@tool
def hangs() -> str:
    '''Never answers in time.'''
    time.sleep(3)
    return "late"
"""
CLERK = """
greeting: Hello.
tools: [breaks, hangs]
tool_timeout_seconds: 0.3
local:
  rules:
    - {hears: "[DTMF] 1#", calls: breaks, failed: "It broke, {error}"}
    - {hears: "[DTMF] 2#", calls: hangs, failed: "It hung, {error}"}
"""


async def test_a_tool_that_raises_and_one_that_hangs(tmp_path):
    (tmp_path / "clerk.py").write_text(TOOLS)
    async with running(settings_for(tmp_path, {"clerk": CLERK})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        for key, says in (("1", "It broke, ValueError: out of paper"), ("2", "It hung, took longer than 0.3 s")):
            await call.until_quiet(0.3)
            for digit in (key, "#"):
                event = "123456789*0#".index(digit) + 1 if digit != "#" else 11
                call.send_rtp(struct.pack("!BBH", event, 10, 160), 101)
                await call.silence(0.06)
            async with asyncio.timeout(10):
                while says not in [data["text"] for kind, data in events if kind == "transcript"]:
                    await call.silence(0.1)
        call.bye()
        assert (await outcome(events))["outcome"] == "caller_hung_up"


async def test_the_embedded_server_is_killed_in_the_middle_of_a_call(tmp_path):
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.2)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        (server,) = [pid for pid in children if b"gateway.local" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(server), signal.SIGKILL)
        async with asyncio.timeout(20):
            while "provider_restored" not in [kind for kind, _ in events]:
                await call.silence(0.1)
        assert len(gateway.switchboard) == 1
        call.bye()
        assert (await outcome(events))["outcome"] == "caller_hung_up"


async def test_a_caller_whose_line_goes_dead(tmp_path):
    settings = settings_for(tmp_path, {"bob": PLAIN}, media={"timeout_seconds": 0.6})
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.3)
        await asyncio.wait_for(call.over.wait(), 5)
        ended = await outcome(events)
        assert ended["outcome"] == "media_timeout"
        assert f"from 127.0.0.1:{call.rtp_port}" in ended["problem"]


async def test_a_port_in_use_is_one_line(tmp_path):
    settings = settings_for(tmp_path, {"bob": PLAIN})
    async with running(settings) as (gateway, _):
        taken = settings_for(tmp_path, {"bob": PLAIN}, sip={"port": gateway.sip_port})
        with pytest.raises(PortInUse, match=f"127.0.0.1:{gateway.sip_port}.*--sip-port"):
            async with running(taken):
                pass


async def test_draining_takes_no_calls_and_hangs_up_on_the_rest(tmp_path):
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        drained = asyncio.create_task(gateway.switchboard.drain(0.5))
        await asyncio.sleep(0.05)
        async with Caller(gateway.sip_port) as late:
            assert await late.invite() == 503
        await drained
        await asyncio.wait_for(call.over.wait(), 5)
        assert (await outcome(events))["outcome"] == "node_stopped"
        assert gateway.problems[0].startswith("draining")
