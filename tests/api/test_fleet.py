import asyncio

import pytest

from gateway import control
from gateway.sip.bans import STRIKES, WRONG_PASSWORDS
from gateway.store import outbox
from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.caller import Caller

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def test_nodes_agents_and_trunks_of_all(tmp_path):
    trunks = [{"name": "acme", "peers": ["127.0.0.1"], "max_calls": 10}]
    agent = "greeting: Hello.\nmax_calls: 7\n"
    async with (
        two_nodes(tmp_path, {"eve": agent}, trunks=trunks) as (one, two, _),
        Caller(one.gateway.sip_port) as call,
    ):
        assert await call.invite() == 200
        async with asyncio.timeout(10):
            while (await two.http.get("/v1/agents")).json()["data"][0]["calls"] != 1:  # with the next heartbeat
                await call.silence(0.2)
        nodes = (await two.http.get("/v1/nodes")).json()
        assert nodes["me"] == two.id
        found = [(node["id"], node["name"], node["calls"]) for node in nodes["data"]]
        assert found == [(one.id, "one", 1), (two.id, "two", 0)]
        (row,) = (await two.http.get("/v1/agents")).json()["data"]
        assert (row["name"], row["called"], row["calls"], row["max_calls"]) == ("eve", ["*"], 1, 7)
        (row,) = (await two.http.get("/v1/trunks")).json()["data"]
        assert (row["name"], row["calls"], row["max_calls"]) == ("acme", 1, 10)
        assert (await two.http.post(f"/v1/nodes/{one.id}/drain")).json() == {"draining": True, "calls": 1}
        async with Caller(one.gateway.sip_port) as other:
            assert await other.invite() == 503
        assert (await one.http.get("/ready")).status_code == 503
        assert (await two.http.post(f"/v1/nodes/{one.id}/drain", json={"on": False})).json()["draining"] is False
        assert (await one.http.get("/ready")).status_code == 200
        call.bye()


async def test_what_was_given_up_can_be_tried_again(tmp_path):
    async with two_nodes(tmp_path, {"eve": "greeting: Hello.\n"}) as (one, two, _):
        one.gateway.store.writer.put(outbox.entry({"for": "nobody", "call_id": "c", "body": "{}"}))
        await one.gateway.store.writer.flush(5)
        ((entry_id, entry),) = await one.gateway.store.outbox.read("", 9)
        await one.gateway.store.outbox.bury(entry_id, entry, "nobody is there")
        assert (await two.http.get("/v1/outbox")).json() == {"waiting": 0, "dead": 1}
        (dead,) = (await two.http.get("/v1/outbox/dead")).json()["data"]
        assert dead["problem"] == "nobody is there"
        assert (await two.http.post("/v1/outbox/dead/again")).json() == {"again": 1}
        assert (await two.http.get("/v1/outbox")).json() == {"waiting": 1, "dead": 0}


async def test_bans_of_all_nodes_are_shown_and_lifted(tmp_path):
    async with two_nodes(tmp_path, {"eve": "greeting: Hello.\n"}) as (one, two, _):
        now = asyncio.get_running_loop().time()
        for node in (one, two):
            bans = node.gateway.switchboard.user_agent.core.trunks.bans
            for _ in range(STRIKES):
                bans.strike("203.0.113.9", now, "not SIP")
        for _ in range(WRONG_PASSWORDS):
            bans.wrong_password("203.0.113.9", "ann", now)
        rows = (await one.http.get("/v1/bans")).json()["data"]
        found = sorted((row["node"], row["address"], row["account"]) for row in rows)
        host = "203.0.113.9"
        assert found == [(one.id, host, ""), (two.id, host, ""), (two.id, host, "ann")]
        assert all(590 < row["seconds"] <= 600 and row["reason"] for row in rows)
        lifted = await one.http.request("DELETE", f"/v1/bans/{host}?account=ann")
        assert lifted.json() == {"address": host, "account": "ann", "lifted": 1}
        assert (await two.http.request("DELETE", f"/v1/bans/{host}")).json()["lifted"] == 2
        assert (await two.http.get("/v1/bans")).json()["data"] == []
        assert (await two.http.request("DELETE", f"/v1/bans/{host}")).status_code == 404


async def test_limits_are_for_all_nodes_together(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.1)
    trunks = [{"name": "acme", "peers": ["127.0.0.1"], "max_calls": 2}]
    agents = {"eve": "greeting: Hello.\nmax_calls: 1\n", "bob": "greeting: Hi.\n"}
    routes = [{"called": "eve", "agent": "eve"}, {"called": "*", "agent": "bob"}]
    async with (
        two_nodes(tmp_path, agents, trunks=trunks, routes=routes) as (one, two, _),
        Caller(one.gateway.sip_port, user="eve") as call,
    ):
        assert await call.invite() == 200
        await call.silence(0.5)
        async with Caller(two.gateway.sip_port, user="eve") as other:
            assert await other.invite() == 486
        async with Caller(two.gateway.sip_port, user="bob") as other:
            assert await other.invite() == 200
            await other.silence(0.5)
            async with Caller(one.gateway.sip_port, user="bob") as third:
                assert await third.invite() == 503
            other.bye()
            await other.silence(0.5)
        async with Caller(one.gateway.sip_port, user="bob") as third:
            assert await third.invite() == 200  # what the other gave back
            third.bye()
            await third.silence(0.1)
        call.bye()
        await call.silence(0.1)
