import asyncio
from base64 import b64encode

import orjson
import pytest

from gateway import __version__, control
from gateway.delivery.webhooks import KINDS
from gateway.sip.bans import STRIKES, WRONG_PASSWORDS
from gateway.store import outbox
from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.caller import Caller
from tests.gatewayd import free_port

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
        await one.gateway.store.outbox.give_up(entry_id, entry, "nobody is there")
        assert (await two.http.get("/v1/outbox")).json() == {"waiting": 0, "dead": 1}
        (dead,) = (await two.http.get("/v1/outbox/dead")).json()["data"]
        assert dead["problem"] == "nobody is there"
        assert (await two.http.post("/v1/outbox/dead/retry")).json() == {"retried": 1}
        assert (await two.http.get("/v1/outbox")).json() == {"waiting": 1, "dead": 0}
        ((entry_id, entry),) = await one.gateway.store.outbox.read("", 9)
        for _ in range(2):  # the second stays where it is
            await one.gateway.store.outbox.give_up(entry_id, entry, "nobody is there")
        dead, other = (await two.http.get("/v1/outbox/dead")).json()["data"]
        assert (await two.http.post(f"/v1/outbox/dead/{dead['id']}/retry")).json() == {"retried": 1}
        assert (await two.http.post(f"/v1/outbox/dead/{dead['id']}/retry")).status_code == 404
        assert (await two.http.post("/v1/outbox/dead/yesterday/retry")).status_code == 422
        assert [one["id"] for one in (await two.http.get("/v1/outbox/dead")).json()["data"]] == [other["id"]]


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


async def test_a_webhook_is_tried_now_and_what_became_of_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", b64encode(b"secret").decode())
    came, port = [], free_port()

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        came.append((head.decode(), orjson.loads(await reader.readexactly(size))))
        status = b"204 No Content" if len(came) == 1 else b"500 Oops"
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    hooks = [
        {"name": "crm", "url": f"http://127.0.0.1:{port}/crm", "secret_env": "HOOK", "events": ["call.ended"]},
        {"name": "away", "url": "http://127.0.0.1:9/"},
    ]
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    async with two_nodes(tmp_path, {"eve": "greeting: Hello.\n"}, webhooks=hooks) as (one, _, _):
        listed = (await one.http.get("/v1/webhooks")).json()["data"]
        assert [(row["name"], row["signed"], len(row["events"])) for row in listed] == [
            ("crm", True, 1), ("away", False, len(KINDS))]  # fmt: skip
        assert "secret" not in str(listed)
        told = (await one.http.post("/v1/webhooks/test")).json()["data"]
        assert [(row["name"], row["delivered"]) for row in told] == [("crm", True), ("away", False)]
        assert "All connection attempts failed" in told[1]["problem"]
        head, body = came[0]
        assert f"user-agent: voice-agent-gateway/{__version__}" in head.lower()
        assert "webhook-signature: v1," in head.lower()
        assert (body["type"], body["data"]) == ("webhook.test", {"name": "crm"})
        assert body["created_time"].endswith("Z")
        (again,) = (await one.http.post("/v1/webhooks/test", json={"name": "crm"})).json()["data"]
        assert (again["delivered"], "answered with 500" in again["problem"]) == (False, True)
        assert (await one.http.post("/v1/webhooks/test", json={"name": "x"})).status_code == 404
        assert (await one.http.get("/v1/outbox")).json() == {"waiting": 0, "dead": 0}  # it does not come again
    server.close()


async def test_who_asks_and_what_a_path_takes(tmp_path):
    async with two_nodes(tmp_path, {"eve": "greeting: Hello.\n"}) as (one, _, _):
        assert (await one.http.get("/v1/me")).json() == {"id": "", "name": "this machine", "role": "admin"}
        made = (await one.http.post("/v1/keys", json={"name": "wall", "role": "read"})).json()
        shown = {"Authorization": f"Bearer {made['key']}"}
        told = (await one.http.get("/v1/me", headers=shown)).json()
        assert told == {"id": made["id"], "name": "wall", "role": "read"}
        for method, path, allowed in (
            ("PUT", "/v1/calls", "GET, POST"), ("PATCH", "/v1/calls/x", "DELETE, GET"), ("PUT", "/v1/keys/x", "DELETE"),
            ("GET", "/v1/calls/x/hold", "POST"), ("PUT", "/v1/calls/x/recording", "GET, POST"),
            ("POST", "/docs", "GET"),
        ):  # fmt: skip
            answer = await one.http.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
            assert answer.headers["content-type"] == "application/problem+json"
        for path in (
            "/v1/audit?before=x",
            "/v1/outbox/dead?after=(1",
            "/v1/calls/x/events?after=99999999999999999999-0",
        ):
            answer = await one.http.get(path)
            assert (answer.status_code, "errors" in answer.json()) == (422, True), path
        answer = await one.http.get("/v1/calls", params={"state": "asleep"})
        assert "answered, transferring, bridged, ended, not 'asleep'" in answer.json()["detail"]
        answer = await one.http.post("/v1/keys", json={"name": "x", "role": "king"})
        assert answer.json()["detail"] == "role: has to be one of read, operate, admin, not 'king'"
        answer = await one.http.post("/v1/keys", content=b"\xff\xfe", headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body")
