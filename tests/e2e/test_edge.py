"""Kamailio as the edge of a carrier: digest, Record-Route, a Route of ours, OPTIONS; it dies, and comes back."""

from __future__ import annotations

import asyncio
import shutil

import pytest

from gateway.bridge import OutboundCall
from gateway.sip import OutgoingInvite
from tests.e2e.kamailio import kamailio, kill, needs_kamailio
from tests.e2e.test_dial_plan import answering
from tests.e2e.test_trunks import sipp, until
from tests.gatewayd import free_port, running, settings_for

pytestmark = [
    pytest.mark.e2e,
    needs_kamailio,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]

SUBSCRIBER = "trunks/bandwidth_out"  # what any PSTN gateway would say


def settings(tmp_path, edge, other, monkeypatch, password="secret"):
    monkeypatch.setenv("EDGE_PASSWORD", password)
    trunks = [
        {"name": "edge", "server": "sip:203.0.113.10", "proxy": f"sip:127.0.0.1:{edge};lr", "options_ping_seconds": 0.5,
         "login": {"username": "alice", "password_env": "EDGE_PASSWORD"}, "caller_id": "+15550100"},
        {"name": "other", "server": f"sip:127.0.0.1:{other}"},
    ]  # fmt: skip
    plan = [{"called": "*", "trunks": ["edge", "other"]}]
    return settings_for(tmp_path, {"bob": "greeting: Good day.\n"}, trunks=trunks, dial_plan=plan)


async def place(gateway):
    first, *others = gateway.switchboard.trunks_for("+15557654321")
    return gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite("+15557654321", first), {}, tuple(others)))


async def test_calls_go_by_the_edge_and_by_another_trunk_while_it_is_dead(tmp_path, monkeypatch):
    edge, subscriber = free_port(), free_port()
    async with (
        answering(b"486 Busy Here") as (other, asked),
        running(settings(tmp_path, edge, other, monkeypatch)) as (gateway, events),
    ):
        health = gateway.switchboard.user_agent.health["edge"]
        with kamailio("edge", tmp_path, edge, PORT=edge, SUBSCRIBER=subscriber) as process:
            await up(health)
            await answered_by_the_subscriber(gateway, events, subscriber)
            kill(process)
            async with asyncio.timeout(15):
                while not health.down:
                    await asyncio.sleep(0.05)
        events.clear()
        await place(gateway)
        assert (await until(events, "ended"))["outcome"] == "busy"
        assert "trunk_failed" not in [kind for kind, _ in events]  # it was not even asked
        assert any(one.startswith(b"INVITE") for one in asked)
        events.clear()
        with kamailio("edge", tmp_path, edge, PORT=edge, SUBSCRIBER=subscriber):
            await up(health)
            await answered_by_the_subscriber(gateway, events, subscriber)


async def answered_by_the_subscriber(gateway, events, port):
    async with sipp(SUBSCRIBER, port=port):
        await asyncio.sleep(0.3)
        call_id = await place(gateway)
        await until(events, "answered")
        gateway.switchboard.command("hangup", call_id, {})
        await asyncio.sleep(0.2)


async def up(health):
    async with asyncio.timeout(15):
        while not (health.servers and all(one.up for one in health.servers.values())):
            await asyncio.sleep(0.05)


async def test_a_password_that_is_wrong_there_goes_to_the_next_trunk(tmp_path, monkeypatch):
    edge, subscriber = free_port(), free_port()
    async with answering(b"486 Busy Here") as (other, _):
        wanted = settings(tmp_path, edge, other, monkeypatch, "wrong")
        with kamailio("edge", tmp_path, edge, PORT=edge, SUBSCRIBER=subscriber):
            async with running(wanted) as (gateway, events):
                await place(gateway)
                ended = await until(events, "ended")
    assert [data["status"] for kind, data in events if kind == "trunk_failed"] == [407]
    assert ended["outcome"] == "busy"
