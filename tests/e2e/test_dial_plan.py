"""Several trunks for one number, with SIPp and dead servers behind them; and what a dead server costs."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest

from gateway import api
from gateway.bridge import OutboundCall
from gateway.sip import OutgoingInvite
from tests.caller import Caller
from tests.e2e.test_dial import AGENT, called
from tests.gatewayd import running, settings_for
from tests.sip.test_lookup import ZONE, name_server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]


@contextmanager
def deaf_server():
    """A port that takes packets and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


@asynccontextmanager
async def answering(answer: bytes):
    """A server that says the same to every INVITE, and 200 to everything else; `asked` are the requests."""
    asked = []

    class Server(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            asked.append(data)
            if data.startswith(b"ACK"):
                return
            head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
            wanted = (b"via:", b"from:", b"to:", b"call-id:", b"cseq:")
            kept = [line for line in head if line.lower().startswith(wanted)]
            kept = [
                line + b";tag=x" if line.lower().startswith(b"to:") and b"tag=" not in line else line for line in kept
            ]
            status = answer if data.startswith(b"INVITE") else b"200 OK"
            self.transport.sendto(b"\r\n".join([b"SIP/2.0 " + status, *kept, b"Content-Length: 0", b"", b""]), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, ("127.0.0.1", 0))
    yield transport.get_extra_info("sockname")[1], asked
    transport.close()


async def place(gateway, events, number="+4989123", seconds=30):
    """Call by the plan, as the API does; what the last event says."""
    first, *others = gateway.switchboard.trunks_for(number)
    gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite(number, first), {"name": "Ann"}, tuple(others)))
    async with asyncio.timeout(seconds):
        while not (ended := [data for kind, data in events if kind == "ended"]):
            await asyncio.sleep(0.02)
    return ended[0]


async def test_the_next_trunk_takes_what_the_first_cannot(tmp_path):
    async with called("answers") as port, answering(b"503 Service Unavailable") as (refusing, _):
        trunks = [
            {"name": "dear", "server": f"sip:127.0.0.1:{port}", "caller_id": "+15550100", "codecs": ["PCMU"]},
            {"name": "cheap", "server": f"sip:127.0.0.1:{refusing}", "codecs": ["PCMA"], "srtp": "required"},
        ]
        plan = [{"called": "+49*", "trunks": {"dear": 1.2, "cheap": 0.8}}]
        settings = settings_for(tmp_path, {"bob": AGENT}, trunks=trunks, dial_plan=plan)
        async with running(settings) as (gateway, events):
            ended = await place(gateway, events, seconds=60)
    assert ended["outcome"] == "agent_hung_up"
    failed = [data for kind, data in events if kind == "trunk_failed"]
    assert failed == [{"trunk": "cheap", "status": 503, "problem": "503 Service Unavailable", "next": "dear"}]
    assert [kind for kind, _ in events][:4] == ["dialing", "dialed", "trunk_failed", "dialed"]


@pytest.mark.parametrize(
    ("answer", "outcome", "tried"),
    [(b"486 Busy Here", "busy", 1), (b"404 Not Found", "invalid_number", 1), (b"603 Decline", "rejected", 1),
     (b"403 Forbidden", "rejected", 2), (b"500 Server Error", "failed", 2)],
)  # fmt: skip
async def test_a_no_of_the_called_party_is_final_and_one_of_a_carrier_is_not(tmp_path, answer, outcome, tried):
    async with answering(answer) as (port, asked):
        trunks = [{"name": name, "server": f"sip:127.0.0.1:{port}"} for name in ("one", "two")]
        plan = [{"called": "*", "trunks": ["one", "two"]}]
        async with running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks, dial_plan=plan)) as (gateway, events):
            ended = await place(gateway, events)
    assert ended["outcome"] == outcome
    assert len({re.search(rb"Call-ID: (\S+)", one)[1] for one in asked if one.startswith(b"INVITE")}) == tried


async def test_a_trunk_that_is_full_here_is_passed_over(tmp_path):
    async with called("busy") as port:
        trunks = [
            {"name": "full", "server": "sip:192.0.2.1", "max_calls": 1},
            {"name": "free", "server": f"sip:127.0.0.1:{port}"},
        ]
        plan = [{"called": "*", "trunks": ["full", "free"]}]
        async with running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks, dial_plan=plan)) as (gateway, events):
            core = gateway.switchboard.user_agent.core.trunks
            core.admit(gateway.switchboard.trunk("full"), 0.0)
            ended = await place(gateway, events)
            core.release(gateway.switchboard.trunk("full"))
    assert ended["outcome"] == "busy"
    assert next(data for kind, data in events if kind == "trunk_failed")["trunk"] == "full"


async def test_a_number_that_no_row_takes_is_refused_by_name(tmp_path):
    trunks = [{"name": name, "server": "sip:192.0.2.1"} for name in ("one", "two")]
    settings = settings_for(tmp_path, {"bob": AGENT}, trunks=trunks, dial_plan=[{"called": "+49*", "trunks": ["one"]}])
    async with running(settings) as (gateway, _), api.serve(gateway) as http:
        from gateway.web import http_client

        async with http_client() as client:
            said = await client.post(f"http://127.0.0.1:{http}/v1/calls", json={"to": "+1555", "agent": "bob"})
    assert said.status_code == 422
    assert "no row of dial_plan takes +1555; there are +49*" in said.json()["detail"]


async def seconds_to_ring(tmp_path):
    """From the order to the first 18x, at a trunk of two servers of which the first is dead."""
    with deaf_server() as dead:
        async with called("no_answer") as port, name_server() as (_, names):
            ZONE.update(
                {
                    ("_sip._udp.pair.example.", "SRV"): [f"1 1 {dead} a.pair.example.", f"2 1 {port} b.pair.example."],
                    ("a.pair.example.", "A"): ["127.0.0.1"],
                    ("b.pair.example.", "A"): ["127.0.0.1"],
                }
            )
            trunk = {"name": "t", "server": "sip:pair.example", "ring_seconds": 6}
            sip = {"port": 0, "nameservers": [names]}
            async with running(settings_for(tmp_path, {"bob": AGENT}, sip=sip, trunks=[trunk])) as (gateway, events):
                began = time.monotonic()
                gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite("1", gateway.switchboard.trunk("t"))))
                async with asyncio.timeout(20):
                    while "ringing" not in [kind for kind, _ in events]:
                        await asyncio.sleep(0.01)
                took = time.monotonic() - began
                async with asyncio.timeout(20):
                    while "ended" not in [kind for kind, _ in events]:
                        await asyncio.sleep(0.05)
                await asyncio.sleep(0.3)
    return took


async def test_a_dead_server_that_nobody_asked_is_waited_for(tmp_path):
    assert 4 < await seconds_to_ring(tmp_path) < 8


async def test_the_target_of_a_transfer_is_called_by_the_trunk_that_the_plan_says(tmp_path):
    """And sees the number that was called first, where its trunk wants that."""
    async with answering(b"486 Busy Here") as (port, asked):
        trunks = [
            {"name": "in", "peers": ["127.0.0.1"], "transfer": "bridge"},
            {"name": "out", "server": f"sip:127.0.0.1:{port}", "caller_id": "+15550100", "diversion": ["diversion"],
             "bridge_caller_id": "caller"},
        ]  # fmt: skip
        plan = [{"called": "+1*", "trunks": ["out"]}]
        settings = settings_for(tmp_path, {"bob": "greeting: Hello.\n"}, trunks=trunks, dial_plan=plan)
        async with running(settings) as (gateway, events), Caller(gateway.sip_port, user="+4989555") as call:
            assert await call.invite() == 200
            call_id = gateway.switchboard.calls[0].info.call_id
            gateway.switchboard.command("transfer", call_id, {"to": "tel:+15557654321"})
            async with asyncio.timeout(10):
                while "transfer_failed" not in [kind for kind, _ in events]:
                    await call.silence(0.1)
            call.bye()
    invite = next(one for one in asked if one.startswith(b"INVITE")).decode()
    assert invite.startswith(f"INVITE sip:+15557654321@127.0.0.1:{port} ")
    assert "From: <sip:caller@127.0.0.1>" in invite
    assert "Diversion: <sip:+4989555@127.0.0.1>;reason=unconditional;counter=1" in invite
    assert next(data for kind, data in events if kind == "transfer_dialing")["trunk"] == "out"


async def test_a_destination_names_its_trunk_whatever_the_callers_own_would_do(tmp_path):
    async with answering(b"486 Busy Here") as (port, asked):
        trunks = [
            {"name": "in", "peers": ["127.0.0.1"], "transfer": "refer"},
            {"name": "out", "server": f"sip:127.0.0.1:{port}"},
        ]
        settings = settings_for(tmp_path, {"bob": "greeting: Hello.\n"}, trunks=trunks)
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call, api.serve(gateway) as http:
            assert await call.invite() == 200
            call_id = gateway.switchboard.calls[0].info.call_id
            gateway.switchboard.command("transfer", call_id, {"to": "+1 555 765?trunk=out"})
            async with asyncio.timeout(10):
                while "transfer_failed" not in [kind for kind, _ in events]:
                    await call.silence(0.1)
            assert not any(one.startswith("REFER") for one in call.requests)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}/v1") as client:
                order = {"to": "tel:+1555766?trunk=out", "agent": "bob"}
                assert (await client.post("/calls", json=order)).status_code == 202
                both = await client.post("/calls", json=order | {"trunk": "in"})
                assert (both.status_code, "`to` says out" in both.text) == (422, True)
            async with asyncio.timeout(10):
                while not any(b"+1555766@" in one for one in asked):
                    await asyncio.sleep(0.05)
            call.bye()
    assert any(one.startswith(f"INVITE sip:+1555765@127.0.0.1:{port}".encode()) for one in asked)


async def test_the_ping_finds_the_dead_server_and_calls_do_not_wait(tmp_path):
    """The real thing: the ping runs, the call comes after it."""
    with deaf_server() as dead:
        async with answering(b"486 Busy Here") as (port, asked), name_server() as (_, names):
            ZONE.update(
                {
                    ("_sip._udp.duo.example.", "SRV"): [f"1 1 {dead} a.duo.example.", f"2 1 {port} b.duo.example."],
                    ("a.duo.example.", "A"): ["127.0.0.1"],
                    ("b.duo.example.", "A"): ["127.0.0.1"],
                }
            )
            trunk = {"name": "t", "server": "sip:duo.example", "options_ping_seconds": 1}
            sip = {"port": 0, "nameservers": [names]}
            async with running(settings_for(tmp_path, {"bob": AGENT}, sip=sip, trunks=[trunk])) as (gateway, events):
                async with asyncio.timeout(10):
                    while not gateway.switchboard.user_agent.core.trunks.silent:
                        await asyncio.sleep(0.05)
                assert f"t: udp:127.0.0.1:{dead} is skipped" in gateway.warnings[0]
                began = time.monotonic()
                ended = await place(gateway, events, "1")
                took = time.monotonic() - began
    assert ended["outcome"] == "busy"
    assert took < 3
    assert any(one.startswith(b"OPTIONS") for one in asked)
