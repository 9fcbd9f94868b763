import asyncio

import pytest
from redis.asyncio import Redis

from gateway.store import StoreSettings, open_store
from gateway.store.connection import server_executable
from gateway.store.writer import BATCH, Writer


def test_the_queue_is_bounded_and_the_oldest_light_ones_go():
    async def go():
        writer = Writer(Redis(), "redis://h", limit=4)
        for number in range(4):
            writer.put(("SET", "k", number), light=number % 2 == 1)
        writer.put(("SET", "state", 1), ("SET", "state", 2))
        assert (len(writer), writer.dropped) == (4, 2)
        writer.put(("SET", "state", 3))
        assert (len(writer), writer.dropped) == (5, 2)  # what is not light stays, however much it is
        assert [command[2] for entry in writer._queue for command in entry.commands] == [0, 2, 1, 2, 3]

    asyncio.run(go())


@pytest.mark.skipif(server_executable() is None, reason="no redis-server here")
async def test_many_writes_go_in_order_and_a_refused_one_stops_no_other():
    async with open_store(StoreSettings()) as store:
        count = 3 * BATCH + 7
        store.writer.put(("SET", "text", "x"))
        store.writer.put(*[("RPUSH", "list", number) for number in range(count)])
        store.writer.put(("INCR", "text"), ("SET", "after", "1"))
        await store.writer.flush(10)
        assert len(store.writer) == 0
        assert [int(one) for one in await store._redis.lrange("list", 0, -1)] == list(range(count))
        assert await store._redis.get("after") == b"1"
        assert store.available
