"""A courier on a real Redis: order, retries, dead letters, and another who goes on where it died."""

import asyncio

import pytest
import structlog

from gateway.delivery import courier as module
from gateway.delivery.courier import Courier, PermanentFailure
from gateway.store import StoreSettings, open_store, outbox
from gateway.store.connection import server_executable
from gateway.store.outbox import Outbox

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


class Somebody:
    def __init__(self):
        self.got, self.refusals, self.never = [], {}, set()

    async def deliver(self, call_id, body):
        await asyncio.sleep(0.001)
        if body in self.never:
            raise PermanentFailure("gone for good")
        if self.refusals.get(body, 0):
            self.refusals[body] -= 1
            return "answered with 503"
        self.got.append((call_id, body))
        return ""


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT", 0.02)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.02)


@pytest.fixture
async def store():
    async with open_store(StoreSettings()) as store:
        yield store


async def put(store, *entries):
    for whom, call_id, body in entries:
        store.writer.put(outbox.entry({"for": whom, "call_id": call_id, "body": body}))
    await store.writer.flush(5)


async def until_empty(store):
    async with asyncio.timeout(10):
        while (await store.outbox.lengths())[0]:
            await asyncio.sleep(0.02)


async def test_each_call_in_order_whatever_fails_in_between(store):
    ann, bob = Somebody(), Somebody()
    ann.refusals = {"a3": 3, "b1": 1}
    await put(store, *(("ann", call, f"{call}{n}") for n in range(6) for call in "ab"), ("bob", "a", "x"))
    one = Courier(store.outbox, {"ann": ann, "bob": bob}, 3600)
    one.start()
    await until_empty(store)
    await one.close()
    for call in "ab":
        assert [body for of, body in ann.got if of == call] == [f"{call}{n}" for n in range(6)]
    assert bob.got == [("a", "x")]
    assert (one.delivered, one.failed, one.given_up) == (13, 4, 0)


async def test_what_is_erased_while_it_waits_is_not_delivered_later(store):
    ann = Somebody()
    ann.refusals = {"a0": 1000, "b0": 3}
    await put(store, ("ann", "a", "a0"), ("ann", "a", "a1"), ("ann", "b", "b0"))  # a1 is in hand behind a0
    one = Courier(store.outbox, {"ann": ann}, 3600)
    one.start()
    async with asyncio.timeout(10):
        while one.failed < 2:
            await asyncio.sleep(0.02)
    await store.calls.erase(["a"])
    await asyncio.sleep(0.1)  # a delivery that has begun when it is erased goes through
    ann.refusals["a0"] = 0
    await until_empty(store)
    await asyncio.sleep(0.3)
    await one.close()
    assert ann.got == [("b", "b0")]
    assert one.given_up == 0


async def test_what_nobody_takes_is_given_up_and_holds_up_nothing(store):
    ann = Somebody()
    ann.never, ann.refusals = {"a1"}, {"a2": 10**6}
    await put(store, ("ann", "a", "a0"), ("ann", "a", "a1"), ("ann", "a", "a2"), ("ann", "a", "a3"), ("carl", "a", "x"))
    one = Courier(store.outbox, {"ann": ann}, 0.3)
    one.start()
    await until_empty(store)
    await one.close()
    assert [body for _, body in ann.got] == ["a0", "a3"]
    problems = {entry["body"]: entry["problem"] for _, entry in await store.outbox.dead("", 9)}
    assert problems["a1"] == "gone for good"
    assert problems["a2"].startswith("answered with 503, after ")
    assert problems["x"] == "nobody is called 'carl' any more"


async def test_another_goes_on_where_one_died(store):
    ann, slow = Somebody(), Somebody()
    slow.refusals = {f"a{n}": 10**6 for n in range(5)}
    await put(store, *(("ann", "a", f"a{n}") for n in range(5)))
    first = Courier(store.outbox, {"ann": slow}, 3600)
    second = Courier(Outbox(store._redis, store.url, "other"), {"ann": ann}, 3600)
    first.start()
    await asyncio.sleep(0.2)
    second.start()
    await asyncio.sleep(0.2)
    assert first.leading
    assert not second.leading
    await first.close()  # it resigns; had it died its lease would run out
    second._stopped = False
    async with asyncio.timeout(10):
        while not second.leading:
            await asyncio.sleep(0.05)
    await until_empty(store)
    await second.close()
    assert [body for _, body in ann.got] == [f"a{n}" for n in range(5)]


async def test_what_was_written_twice_is_delivered_once(store):
    ann = Somebody()
    await put(store, ("ann", "a", "same"), ("ann", "a", "same"), ("ann", "a", "other"))
    one = Courier(store.outbox, {"ann": ann}, 3600)
    one.start()
    await until_empty(store)
    await one.close()
    assert [body for _, body in ann.got] == ["same", "other"]


async def test_no_more_than_a_few_are_on_their_way_at_once(store):
    most = now = 0

    class Slow:
        async def deliver(self, call_id, body):
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            return ""

    await put(store, *(("slow", f"call{n}", "{}") for n in range(300)))
    one = Courier(store.outbox, {"slow": Slow()}, 3600)
    one.start()
    await until_empty(store)
    await one.close()
    assert (most, one.delivered) == (module.AT_ONCE, 300)


async def test_what_there_is_no_room_for_is_counted_and_said(store, monkeypatch):
    monkeypatch.setattr("gateway.store.keys.MAX_OUTBOX", 50)
    monkeypatch.setattr(module, "MAX_OUTBOX", 50)

    class Never_:
        async def deliver(self, call_id, body):
            await asyncio.sleep(60)
            return ""

    await put(store, *(("nobody", f"call{n}", "{}") for n in range(80)))
    one = Courier(store.outbox, {"nobody": Never_()}, 3600)
    with structlog.testing.capture_logs() as logs:
        one.start()
        async with asyncio.timeout(10):
            while not one.dropped:
                await asyncio.sleep(0.02)
        await one.close()
    assert one.dropped == 30
    assert [entry["event"] for entry in logs] == ["delivery.dropped", "delivery.outbox_fills_up"]
