import asyncio

import pytest

from gateway.events import CallEvent
from gateway.store import StoreSettings, open_store, watch
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def test_two_watch_what_happens_from_now_on():
    async with open_store(StoreSettings()) as store:
        record = {"call_id": "a", "started_at": 1.0}
        store.calls.write(CallEvent("a", 1.0, "incoming"), record)
        await store.writer.flush(5)
        first, second = store.watch.events(), store.watch.events()
        told = [asyncio.create_task(anext(one)) for one in (first, second)]
        await asyncio.sleep(0.3)
        assert len(store.watch) == 2
        store.calls.write(CallEvent("a", 2.0, "answered", {"x": 1}), record)
        for event in await asyncio.gather(*told):
            assert (event["call_id"], event["type"], event["record"]) == ("a", "answered", record)
            assert event["data"] == {"x": 1}
        await first.aclose()
        await second.aclose()
        assert len(store.watch) == 0


async def test_one_that_is_slow_misses_the_oldest():
    async with open_store(StoreSettings()) as store:
        events = store.watch.events()
        first = asyncio.create_task(anext(events))
        await asyncio.sleep(0.1)
        store.watch.tell({"n": -1})
        assert (await first)["n"] == -1
        for number in range(watch.BACKLOG + 5):
            store.watch.tell({"n": number})
        assert (await anext(events))["n"] == 5
        await events.aclose()
