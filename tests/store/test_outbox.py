import pytest

from gateway.store import StoreSettings, keys, open_store, outbox
from gateway.store.connection import server_executable
from gateway.store.outbox import Outbox

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def test_one_node_delivers_until_it_resigns():
    async with open_store(StoreSettings()) as store:
        other = Outbox(store._redis, store.url, "other")
        assert await store.outbox.lead()
        assert await store.outbox.lead()
        assert not await other.lead()
        await other.resign()  # it has nothing to resign
        assert not await other.lead()
        await store.outbox.resign()
        assert await other.lead()
        assert 9000 < await store._redis.pttl(keys.COURIER) <= 10000


async def test_delivered_given_up_and_tried_again():
    async with open_store(StoreSettings()) as store:
        for number in range(3):
            store.writer.put(outbox.entry({"for": "x", "call_id": f"c{number}", "body": "{}"}))
        await store.writer.flush(5)
        (first, one), (second, two), (third, _) = await store.outbox.read("", 9)
        assert (one["call_id"], await store.outbox.lengths()) == ("c0", (3, 0))
        assert [entry_id for entry_id, _ in await store.outbox.read(second, 9)] == [third]
        await store.outbox.done(first)
        await store.outbox.give_up(second, two, "answered with 410")
        assert await store.outbox.lengths() == (1, 1)
        ((_, dead),) = await store.outbox.dead("", 9)
        assert dead == {"for": "x", "call_id": "c1", "body": "{}", "problem": "answered with 410"}
        assert await store.outbox.retry_dead(9) == 1
        assert [entry["call_id"] for _, entry in await store.outbox.read("", 9)] == ["c2", "c1"]
        assert all("problem" not in entry for _, entry in await store.outbox.read("", 9))
