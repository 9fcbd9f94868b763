import asyncio

import pytest

from gateway.errors import NodeSilent
from gateway.store import StoreSettings, keys, open_store
from gateway.store.connection import server_executable

pytestmark = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


@pytest.fixture
async def store():
    async with open_store(StoreSettings(node="one")) as store:
        await store.nodes.beat({"calls": 0})
        yield store


async def test_each_command_has_its_own_answer_and_a_bug_is_one(store):
    async def handle(command):
        if command["verb"] == "fail":
            raise RuntimeError("no")
        await asyncio.sleep(0.2 if command["verb"] == "slow" else 0)
        return {"did": command["verb"]}

    serving = asyncio.create_task(store.commands.serve(store.me, handle))
    await asyncio.sleep(0.2)
    verbs = ("slow", "quick", "fail")
    asked = await asyncio.gather(*(store.commands.ask(store.me, {"verb": verb}, 5) for verb in verbs))
    assert asked[:2] == [{"did": "slow"}, {"did": "quick"}]
    assert asked[2] == {"error": "InternalError", "problem": "RuntimeError: no"}
    serving.cancel()


async def test_a_node_that_is_gone_and_one_that_does_not_listen(store):
    with pytest.raises(NodeSilent, match="the node nobody is gone"):
        await store.commands.ask("nobody", {"verb": "x"}, 5)
    with pytest.raises(NodeSilent, match=r"did not answer within 0\.2 s"):
        await store.commands.ask(store.me, {"verb": "x"}, 0.2)


async def test_what_came_too_late_is_not_done(store):
    done = []

    async def handle(command):
        done.append(command["verb"])
        return {}

    stream = keys.commands(store.me)
    await store._redis.xadd(stream, {"command": '{"id": "a", "seconds": -1e10, "verb": "before"}'})
    for wrong in ({"command": "{"}, {"command": "[]"}, {"other": "x"}, {"command": '{"id": "x"}'}):
        await store._redis.xadd(stream, wrong)
    serving = asyncio.create_task(store.commands.serve(store.me, handle))
    await asyncio.sleep(0.2)
    await store._redis.xadd(stream, {"command": '{"id": "b", "seconds": 1, "verb": "late"}'}, id=f"{2**42}-1")
    await store._redis.xadd(stream, {"command": '{"id": "c", "seconds": -1e10, "verb": "later"}'}, id=f"{2**42}-2")
    await asyncio.sleep(0.2)
    assert done == ["late"]
    serving.cancel()
