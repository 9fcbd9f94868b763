import asyncio

import pytest

from gateway.events import CallEvent
from gateway.store import StoreSettings, keys, nodes, open_store
from gateway.store.connection import server_executable
from tests.gatewayd import free_port
from tests.store.servers import start_server

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


@pytest.fixture
async def two(tmp_path):
    """Two nodes on one Redis."""
    port = free_port()
    process = await start_server(tmp_path, port)
    settings = [StoreSettings(f"redis://127.0.0.1:{port}", 1000, name) for name in ("one", "two")]
    async with open_store(settings[0]) as first, open_store(settings[1]) as second:
        yield first, second
    process.terminate()
    await process.wait()


def entries(event, record):
    return [{"for": "there", "call_id": event.call_id, "body": record["outcome"]}]


async def dies(store):
    """Its lease has run out."""
    await store._redis.zadd(keys.NODES, {store.me: 1000.0})
    await store._redis.delete(keys.node(store.me))


async def test_calls_of_a_node_that_died_are_closed_once(two):
    one, two = two
    for store in (one, two):
        await store.nodes.beat({"calls": 1})
        record = {"call_id": store.me, "started_at": 100.0, "answered_at": 101.0, "node": store.me, "state": "answered"}
        store.calls.write(CallEvent(store.me, 101.0, "answered"), record)
        await store.writer.flush(5)
    assert await two.nodes.sweep(entries) == []
    await dies(one)
    assert [node["id"] for node in await two.nodes.alive()] == [two.me]
    closed = await asyncio.gather(*(two.nodes.sweep(entries) for _ in range(5)))
    assert sorted(closed, key=len)[-1] == [one.me]
    assert sum(map(len, closed)) == 1
    record = await two.calls.get(one.me)
    assert (record["state"], record["outcome"], record["ended_at"]) == ("ended", "node_died", 101.0)
    assert [event["type"] for event in record["events"]] == ["answered", "ended"]
    assert record["events"][-1]["data"] == {"outcome": "node_died", "node": one.me}
    assert await two._redis.zrange(keys.LIVE, 0, -1) == [two.me.encode()]
    assert 990 < await two._redis.ttl(keys.call(one.me)) <= 1000
    assert [body for _, body in await two.outbox.read("", 9)] == [
        {"for": "there", "call_id": one.me, "body": "node_died"}
    ]


async def test_one_that_was_only_away_takes_its_calls_back(two):
    one, two = two
    await one.nodes.beat({"calls": 0})
    record = {"call_id": "a", "started_at": 100.0, "node": one.me, "state": "answered", "outcome": "", "ended_at": None}
    one.calls.write(CallEvent("a", 100.0, "answered"), record)
    await one.writer.flush(5)
    await dies(one)
    assert await two.nodes.sweep(entries) == ["a"]
    assert (await one.nodes.beat({"calls": 0}))[0] is False
    one.calls.again(record)
    await one.writer.flush(5)
    found = await two.calls.get("a")
    assert (found["state"], found["ended_at"]) == ("answered", None)
    assert await two._redis.ttl(keys.call("a")) == -1
    assert await two._redis.zcard(keys.ENDED) == 0
    assert await two.nodes.sweep(entries) == []


async def test_what_stands_in_the_index_and_should_not(two):
    one, _ = two
    await one._redis.zadd(keys.LIVE, {"gone": 100.0, "ended": 100.0, "live": 100.0, "young": 990.0})
    await one._redis.hset(keys.call("ended"), mapping={"record": '{"state": "ended", "ended_at": 200.0}'})
    await one._redis.hset(keys.call("live"), mapping={"record": '{"state": "answered", "ended_at": null}'})
    assert sorted(await one.nodes.stale(300.0, 1000.0)) == ["ended", "gone"]


async def test_one_that_leaves_is_gone_at_once(two):
    one, two = two
    await one.nodes.beat({"calls": 3, "name": "one"})
    assert await two.nodes.alive() == [{"id": one.me, "calls": 3, "name": "one"}]
    await one.nodes.leave()
    assert await two.nodes.alive() == []
    assert nodes.keys.LEASE_SECONDS == 10
