import pytest

from gateway.hours import Override
from gateway.store import StoreSettings, open_store
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def test_what_was_said_last_of_each_calendar():
    async with open_store(StoreSettings()) as store:
        await store.overrides.put("office", Override(False, 100.5, "ann"))
        await store.overrides.put("office", Override(True, 200.0, "ben"))
        await store.overrides.put("shop", Override(False, 300.0))
        assert await store.overrides.all() == {"office": Override(True, 200.0, "ben"), "shop": Override(False, 300.0)}
        assert await store.overrides.remove("office")
        assert not await store.overrides.remove("office")
        assert list(await store.overrides.all()) == ["shop"]
