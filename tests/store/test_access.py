import pytest

from gateway.store import StoreSettings, open_store
from gateway.store.access import hash_of
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


@pytest.fixture
async def access():
    async with open_store(StoreSettings()) as store:
        store.access.flush = lambda: store.writer.flush(5)
        yield store.access


async def test_keys_are_kept_as_hashes(access):
    key_id, key = await access.add_key("ops", "operate", 100.0)
    assert key.startswith(f"gw_{key_id}_")
    assert await access.keys() == {
        key_id: {"name": "ops", "role": "operate", "hash": hash_of(key), "created_at": 100.0}
    }
    assert await access.remove_key(key_id)
    assert not await access.remove_key(key_id)
    assert await access.keys() == {}
    with pytest.raises(ValueError, match="these are: read, operate, admin"):
        await access.add_key("ops", "king", 100.0)


async def test_the_audit_has_the_latest_first(access):
    for number in range(3):
        access.note(what=f"thing {number}")
    await access.flush()
    found = await access.audit("", 2)
    assert [one["what"] for one in found] == ["thing 2", "thing 1"]
    assert [one["what"] for one in await access.audit(found[-1]["id"], 9)] == ["thing 0"]


async def test_a_request_that_is_made_again(access):
    assert await access.begin("k", "r1") is None
    assert await access.begin("k", "r1") == {"request": "r1"}  # the first is still at it
    await access.finish("k", "r1", {"status": 202})
    assert await access.begin("k", "r2") == {"request": "r1", "answer": {"status": 202}}
    await access.finish("k", "r1", None)
    assert await access.begin("k", "r2") is None
