"""Erasure over two nodes: of a call, of a number, and by a node that was away."""

import orjson
import pytest

from gateway import control
from gateway.retention import Retention
from gateway.store import keys
from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.api.test_calls import until
from tests.caller import Caller

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")

AGENT = "greeting: Hello.\ntranscription: {model: local}\nrecording: {start: answer}\n"


async def phone(node, user="eve"):
    """A call to the node that is recorded and ends; its id."""
    before = len(node.events)
    async with Caller(node.gateway.sip_port, user=user) as call:
        assert await call.invite() == 200
        call_id = node.gateway.switchboard.calls[-1].info.call_id
        await until(lambda: "transcript" in [kind for kind, _ in node.events[before:]], call)
        call.bye()
        await call.silence(0.3)
    await until(lambda: not len(node.gateway.store.writer))
    return call_id


async def everything(node):
    """All that is in Redis, but for what is kept of who asked for what."""
    redis = node.gateway.store.calls._redis
    found = b""
    for key in await redis.keys("*"):
        kind = await redis.type(key)
        if kind == b"stream" and not key.endswith((b":audit", b":erased")):
            found += b"".join(b"".join(entry.values()) for _, entry in await redis.xrange(key))
        elif kind == b"hash":
            found += b"".join((await redis.hgetall(key)).values())
        elif kind == b"zset":
            found += b"".join(await redis.zrange(key, 0, -1))
        found += key
    return found


async def test_a_call_and_a_number_are_erased_everywhere(tmp_path):
    records = {"file": str(tmp_path / "calls.jsonl")}
    hooks = [{"name": "crm", "url": "http://127.0.0.1:9/"}]
    async with two_nodes(tmp_path, {"eve": AGENT}, records=records, webhooks=hooks) as (one, two, _):
        first, second = await phone(one), await phone(one, "desk")
        tapes = tmp_path / "one" / "tapes"
        await until(lambda: (tmp_path / "calls.jsonl").read_bytes().count(b"\n") == 2)
        assert (await two.http.get(f"/v1/calls/{first}/sip")).json()["data"]
        assert first.encode() in await everything(two)
        gone = await two.http.delete(f"/v1/records/{first}")
        assert (gone.status_code, gone.json()) == (200, {"erased": [first], "live": [], "failed": {}})
        assert [path.name for path in tapes.iterdir()] == [f"{second}.wav"]
        lines = (tmp_path / "calls.jsonl").read_bytes()
        assert first.encode() not in lines
        assert second.encode() in lines
        assert not one.gateway.switchboard.user_agent.trace.of(first)
        left = await everything(two)
        told = orjson.dumps({"call_id": first})
        assert left.count(first.encode()) == 2 * left.count(told) == 2  # the webhook that says so, and whose it is
        assert (await two.http.get(f"/v1/calls/{first}")).status_code == 404
        assert (await two.http.delete(f"/v1/records/{first}")).status_code == 404
        assert (await two.http.delete("/v1/records/..%2f..%2fx")).status_code == 404

        async with Caller(one.gateway.sip_port) as call:
            assert await call.invite() == 200
            live = one.gateway.switchboard.calls[-1].info.call_id
            await until(lambda: not len(one.gateway.store.writer), call)
            assert (await two.http.delete(f"/v1/records/{live}")).status_code == 409
            gone = (await two.http.delete("/v1/records", params={"number": "caller"})).json()
            assert gone == {"erased": [second], "live": [live], "failed": {}}
            call.bye()
            await call.silence(0.2)
        left = await everything(two)
        assert left.count(second.encode()) == 2 * left.count(orjson.dumps({"call_id": second})) == 2
        assert list(tapes.glob(f"{second}*")) == []
        await until(lambda: not len(two.gateway.store.writer))
        audit = (await two.http.get("/v1/audit")).json()["data"]
        paths = [entry["path"] for entry in audit if entry["method"] == "DELETE" and entry["status"] == 200]
        assert {f"/v1/records/{first}", f"/v1/records/{second}", "/v1/records"} <= set(paths)
        assert "caller" not in orjson.dumps(audit).decode()  # neither the number


async def test_a_node_that_was_away_does_its_part_when_it_is_back(tmp_path):
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _):
        call_id = await phone(one)
        (tmp_path / "two" / "tapes").mkdir(exist_ok=True)
        copy = tmp_path / "two" / "tapes" / f"{call_id}.wav"

        async def deaf(ids, number):
            return []

        node, mended = two.gateway.control, two.gateway.control._erase_here
        node._erase_here = deaf  # it is asked, and does nothing
        copy.write_bytes(b"RIFF")
        assert (await one.http.delete(f"/v1/records/{call_id}")).status_code == 200
        assert copy.exists()
        node._erase_here, node._erased_until = mended, ""  # as after a start
        assert isinstance(two.gateway.retention, Retention)
        await until(lambda: not copy.exists())
        assert await one.gateway.store.calls._redis.xlen(keys.ERASED) == 1


async def test_a_disk_that_does_not_let_us_is_told_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "ERASE_AGAIN_SECONDS", 1.0)
    async with two_nodes(tmp_path, {"eve": AGENT}) as (one, two, _):
        call_id = await phone(one)
        tape = tmp_path / "one" / "tapes" / f"{call_id}.wav"
        mended, tries = one.gateway.control._erase_here, []

        async def broken(ids, number):
            tries.append(ids)
            raise PermissionError(13, "Permission denied")

        one.gateway.control._erase_here = broken
        gone = (await two.http.delete(f"/v1/records/{call_id}")).json()
        assert gone["erased"] == [call_id]
        assert "Permission denied" in gone["failed"][one.id]
        await until(lambda: len(tries) >= 3)  # when it was asked, and with two beats
        assert tape.exists()
        one.gateway.control._erase_here = mended
        await until(lambda: not tape.exists())
        assert one.gateway.problems == []
