import time

import pytest

from gateway.store import StoreSettings, open_store
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


def message(number, at):
    return {"id": f"call_{number}", "at": at, "box": "box", "transcript": None, "to_do": ["tell"]}


async def test_messages_the_latest_first():
    now = time.time()
    async with open_store(StoreSettings()) as store:
        kept = store.voicemails
        for number in range(3):
            await kept.put(message(number, now - number))
        assert [one["id"] for _, one in await kept.latest(now + 1, 10)] == ["call_0", "call_1", "call_2"]
        assert [at for at, _ in await kept.latest(now, 1)] == [now - 1]
        await kept.put(message(1, now - 1) | {"transcript": "hello"})
        assert (await kept.get("call_1"))["transcript"] == "hello"
        assert await kept.remove("call_1")
        assert not await kept.remove("call_1")
        assert await kept.get("call_1") is None
        assert len(await kept.latest(now + 1, 10)) == 2


async def test_they_stay_as_long_as_the_sound_does():
    now = time.time()
    async with open_store(StoreSettings()) as store:
        kept = store.voicemails
        await kept.put(message(1, now - 100))
        kept.keep_seconds = 60.0
        await kept.put(message(2, now))
        assert [one["id"] for _, one in await kept.latest(now + 1, 10)] == ["call_2"]


async def test_a_record_that_is_erased_takes_its_messages_along():
    async with open_store(StoreSettings()) as store:
        await store.voicemails.put(message(1, 1.0))
        await store.voicemails.put(message("1-2", 2.0))
        await store.calls.erase(["call_1"])
        assert await store.voicemails.latest(10.0, 10) == []
        assert await store.voicemails.get("call_1-2") is None
