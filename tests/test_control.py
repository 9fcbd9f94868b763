"""A node's life among the others: real processes of our own, and a real end of one."""

import asyncio

import pytest

from gateway import control
from gateway.errors import NodeSilent, NoSuchCall
from gateway.store import keys
from gateway.store.connection import server_executable
from tests.api.nodes import two_nodes
from tests.caller import Caller

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")
AGENT = {"eve": "greeting: Hello.\n"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(control, "BEAT_SECONDS", 0.1)


async def test_a_node_that_was_thought_dead_takes_its_calls_back(tmp_path):
    async with two_nodes(tmp_path, AGENT) as (one, two, _), Caller(one.gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.3)
        call_id = one.gateway.switchboard.calls[0].info.call_id
        store = two.gateway.store
        await one.gateway.store.writer.flush(5)
        redis = store._redis
        await redis.zadd(keys.NODES, {one.id: 1.0})  # as if its lease had run out
        closed = await store.nodes.sweep(lambda event, record: [])
        async with asyncio.timeout(5):
            while await redis.zscore(keys.LIVE, call_id) is None:
                await call.silence(0.05)
        record = await store.calls.record(call_id)
        assert (closed, record["state"], record["ended_at"]) in (
            ([call_id], "answered", None),
            ([], "answered", None),  # it had spoken up before
        )
        call.bye()


async def test_a_command_for_a_node_that_is_gone(tmp_path):
    async with two_nodes(tmp_path, AGENT) as (one, two, _), Caller(one.gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.3)
        call_id = one.gateway.switchboard.calls[0].info.call_id
        with pytest.raises(NoSuchCall):
            await two.gateway.control.send_command("hangup", "nobody", {})
        one.gateway.store.commands.stop()
        monkey = control.COMMAND_SECONDS
        try:
            control.COMMAND_SECONDS = 0.3
            await asyncio.sleep(1.2)  # what it is waiting for ends
            with pytest.raises(NodeSilent, match="did not answer within"):
                await two.gateway.control.send_command("hangup", call_id, {})
            assert (await two.http.post(f"/v1/calls/{call_id}/hangup")).status_code == 504
        finally:
            control.COMMAND_SECONDS = monkey
        call.bye()


async def test_an_entry_that_should_be_gone_is_counted_and_taken_out(tmp_path, monkeypatch):
    async with two_nodes(tmp_path, AGENT) as (one, _, _):
        await one.gateway.store._redis.zadd(keys.LIVE, {"ghost": 100.0})
        await one.gateway.control._look_after(15)
        await one.gateway.store.writer.flush(5)
        assert one.gateway.control.stale == 1
        assert await one.gateway.store._redis.zscore(keys.LIVE, "ghost") is None
