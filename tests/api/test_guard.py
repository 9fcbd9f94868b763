"""Keys, roles, limits and the audit, over real sockets."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import httpx
import pytest

from gateway import api
from gateway.store.connection import server_executable
from tests.certificates import make_certificate
from tests.gatewayd import running, settings_for

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


@pytest.fixture
async def served(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "first-key")

    async def start(**values):
        row = {"port": 0, "auth": "always", "admin_key_env": "ADMIN", **values}
        gateway, _ = await stack.enter_async_context(running(settings_for(tmp_path, {"eve": ""}, http=row)))
        port = await stack.enter_async_context(api.serve(gateway))
        return gateway, await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))

    async with AsyncExitStack() as stack:
        yield start


def bearing(key):
    return {"Authorization": f"Bearer {key}"}


async def test_keys_their_roles_and_what_is_noted(served):
    gateway, http = await served()
    admin = bearing("first-key")
    await http.post("/v1/keys", json={"name": "x"})
    assert (await http.get("/health")).status_code == 200
    for key in ({}, bearing("gw_00000000_wrong"), bearing("wrong")):
        answer = await http.get("/v1/calls", headers=key)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    made = (await http.post("/v1/keys", json={"name": "wall", "role": "read"}, headers=admin)).json()
    wall = bearing(made["key"])
    assert (await http.get("/v1/calls", headers=wall)).status_code == 200
    refused = await http.post("/v1/calls/x/hangup", headers=wall)
    assert (refused.status_code, refused.json()["detail"]) == (403, "the key wall may read; this needs operate")
    made = (await http.post("/v1/keys", json={"name": "desk", "role": "operate"}, headers=admin)).json()
    desk = {"X-API-Key": made["key"]}
    assert (await http.post("/v1/calls/x/hangup", headers=desk)).status_code == 404
    assert (await http.get("/v1/keys", headers=desk)).status_code == 403
    listed = (await http.get("/v1/keys", headers=admin)).json()["data"]
    assert [(row["name"], row["role"]) for row in listed] == [("wall", "read"), ("desk", "operate")]
    assert "hash" not in str(listed)
    assert (await http.post("/v1/keys", json={"name": "x", "role": "king"}, headers=admin)).status_code == 422
    assert (await http.delete(f"/v1/keys/{made['id']}", headers=admin)).status_code == 200
    assert (await http.delete(f"/v1/keys/{made['id']}", headers=admin)).status_code == 404
    assert (await http.get("/v1/calls", headers=desk)).status_code == 401
    await gateway.store.writer.flush(5)
    audit = (await http.get("/v1/audit", headers=admin)).json()["data"]
    noted = [(row["who"], row["method"], row["path"], row["status"]) for row in audit]
    assert ("desk", "POST", "/v1/calls/x/hangup", 404) in noted
    assert ("wall", "POST", "/v1/calls/x/hangup", 403) in noted
    assert all(row["request_id"] and row["remote"] == "127.0.0.1" for row in audit)
    assert "first-key" not in str(audit)
    assert all(row["who"] for row in audit)  # strangers are in the log alone
    assert (await http.get("/v1/calls", headers=bearing("peer_made_up"))).status_code == 401
    peer = bearing(await gateway.store.access.peer_key())
    assert (await http.get("/v1/calls", headers=peer)).status_code == 200
    assert (await http.get("/v1/keys", headers=peer)).status_code == 403


async def test_this_machine_needs_no_key_unless_it_is_asked_for(served):
    _, http = await served(auth="auto")
    assert (await http.get("/v1/calls")).status_code == 200
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "192.0.2.1"}, {"Origin": "https://evil.example"}):
        assert (await http.get("/v1/calls", headers=headers)).status_code == 401
    assert (await http.get("/v1/calls", headers=bearing("gw_0_wrong"))).status_code == 401  # it may have been removed
    assert (await http.get("/v1/calls", headers=bearing("sk-for-somebody-else"))).status_code == 200


async def test_who_asks_too_often_waits(served):
    _, http = await served(rate_limit=5)
    answers = await asyncio.gather(*(http.get("/v1/nodes", headers=bearing("first-key")) for _ in range(14)))
    codes = [answer.status_code for answer in answers]
    assert codes.count(429) >= 2
    late = next(answer for answer in answers if answer.status_code == 429)
    assert (late.headers["retry-after"], late.headers["content-type"]) == ("1", "application/problem+json")
    await asyncio.sleep(0.5)
    assert (await http.get("/v1/nodes", headers=bearing("first-key"))).status_code == 200


async def test_other_origins_are_let_in_by_name_only(served):
    _, http = await served(cors_origins=["https://desk.example"])
    asked = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
    answer = await http.options("/v1/calls", headers=asked)
    assert answer.headers["access-control-allow-origin"] == "https://desk.example"
    answer = await http.options("/v1/calls", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_over_tls(served, tmp_path):
    certificate, key, _ = make_certificate(tmp_path, "gateway")
    gateway, _ = await served(tls={"certificate": certificate, "key": key})
    assert gateway.http_url.startswith("https://127.0.0.1:")
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=certificate)) as http:
        assert (await http.get(f"{gateway.http_url}/health")).status_code == 200


async def test_a_proxy_that_is_trusted_says_who_asks_and_needs_a_key(served):
    gateway, http = await served(auth="auto", trusted_proxies=["127.0.0.1"])
    forwarded = {"X-Forwarded-For": "192.0.2.7"}
    assert (await http.get("/v1/calls", headers=forwarded)).status_code == 401
    await http.post("/v1/calls/x/hangup", headers=forwarded | bearing("first-key"))
    await gateway.store.writer.flush(5)
    (row,) = await gateway.store.access.audit("", 9)
    assert row["remote"] == "192.0.2.7"
