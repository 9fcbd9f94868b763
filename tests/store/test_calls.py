import pytest

from gateway.events import CallEvent
from gateway.store import StoreSettings, keys, open_store
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


def record(call_id, **fields):
    return {"call_id": call_id, "started_at": 100.0, "state": "answered", **fields}


@pytest.fixture
async def store():
    async with open_store(StoreSettings(keep_seconds=1000)) as store:
        yield store


async def test_a_call_from_its_start_to_its_end(store):
    calls, redis = store.calls, store._redis
    calls.write(CallEvent("a", 100.0, "incoming", {"n": 1}), record("a"))
    calls.write(CallEvent("a", 100.5, "transcript", {"role": "user", "text": "Grüß Gott"}), record("a"))
    await store.writer.flush(5)
    assert await redis.zscore(keys.LIVE, "a") == 100.0
    assert await redis.ttl(keys.call("a")) == -1
    calls.write(CallEvent("a", 101.0, "ended"), record("a", state="ended", ended_at=101.0))
    await store.writer.flush(5)
    assert await redis.zcard(keys.LIVE) == 0
    assert 990 < await redis.ttl(keys.call("a")) <= 1000
    assert 990 < await redis.ttl(keys.events("a")) <= 1000
    found = await calls.get("a")
    assert (found["state"], found["ended_at"]) == ("ended", 101.0)
    assert [(event["type"], event["at"]) for event in found["events"]] == [
        ("incoming", 100.0), ("transcript", 100.5), ("ended", 101.0),
    ]  # fmt: skip
    assert found["events"][1]["data"]["text"] == "Grüß Gott"
    assert await calls.get("nobody") is None


async def test_events_keep_their_order_when_the_clock_is_set_back(store):
    for at in (50.0, 49.0, 49.0, 51.0):
        store.calls.write(CallEvent("a", at, f"at {at}"), record("a"))
    await store.writer.flush(5)
    assert [event["at"] for event in (await store.calls.get("a"))["events"]] == [50.0, 49.0, 49.0, 51.0]


async def test_what_is_written_twice_stands_there_once(store):
    put, batches = store.writer.put, []
    store.writer.put = lambda *commands, light: batches.append(commands)
    store.calls.write(CallEvent("a", 1.0, "incoming"), record("a"))
    for _ in range(2):
        put(*batches[0])
        await store.writer.flush(5)
    assert len((await store.calls.get("a"))["events"]) == 1


async def test_the_list_has_live_calls_first_and_is_bounded(store):
    for number in range(5):
        store.calls.write(CallEvent(f"e{number}", 1.0, "ended"), record(f"e{number}", ended_at=200.0 + number))
        store.calls.write(CallEvent(f"l{number}", 1.0, "incoming"), record(f"l{number}", started_at=100.0 + number))
    await store.writer.flush(5)
    assert [one["call_id"] for one in await store.calls.recent(7)] == ["l4", "l3", "l2", "l1", "l0", "e4", "e3"]


async def test_ended_calls_leave_the_index_with_their_records(store):
    store.calls.write(CallEvent("old", 1.0, "ended"), record("old", ended_at=100.0))
    store.calls.write(CallEvent("new", 1.0, "ended"), record("new", ended_at=1200.0))
    await store.writer.flush(5)
    assert await store._redis.zrange(keys.ENDED, 0, -1) == [b"new"]


async def test_pages_go_from_the_newest_to_the_oldest_and_filter(store):
    for number in range(250):
        ended = {"ended_at": 1000.0 + number // 3} if number < 240 else {}
        event = CallEvent(f"c{number:03}", 1.0, "ended" if ended else "answered")
        store.calls.write(event, record(f"c{number:03}", agent="eve" if number % 2 else "bob", **ended))
    await store.writer.flush(10)
    seen, cursor = [], ""
    while True:
        page, cursor = await store.calls.page(lambda one: one["agent"] == "eve", cursor, 40)
        seen += [one["call_id"] for one in page]
        if not cursor:
            break
    live, ended = [f"c{n}" for n in range(249, 239, -2)], [f"c{n:03}" for n in range(239, 0, -2)]
    assert seen == live + ended
    for wrong in ("x", "bnVsbA", "WzUsMCwiYSJd"):
        with pytest.raises(ValueError, match="none of ours"):
            await store.calls.page(lambda one: True, wrong, 5)


async def test_events_from_one_on(store):
    for number in range(5):
        store.calls.write(CallEvent("a", 1.0 + number, f"n{number}"), record("a"))
    await store.writer.flush(5)
    first = await store.calls.events("a", "", 2)
    assert [one["type"] for one in first] == ["n0", "n1"]
    assert [one["type"] for one in await store.calls.events("a", first[-1]["id"], 9)] == ["n2", "n3", "n4"]
    assert await store.calls.events("b", "", 9) == []
    with pytest.raises(ValueError, match="is not the id of an event"):
        await store.calls.events("a", "(1", 9)
