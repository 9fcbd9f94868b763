import asyncio
import time

from gateway.bridge.tools import runner
from gateway.watchdog import BLOCKED_SECONDS, Watchdog


async def watched(work):
    told = []
    dog = Watchdog(told.append)
    dog.start()
    await asyncio.sleep(0.1)
    await work()
    await asyncio.sleep(0.3)
    dog.close()
    return told, dog


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def test_a_loop_that_runs_is_nothing_to_tell_of():
    told, dog = await watched(lambda: asyncio.sleep(0.5))
    assert (told, dog.times) == ([], 0)


async def test_a_coroutine_that_computes_is_told_with_its_place():
    async def work():
        compute(0.6)

    (one,), dog = await watched(work)
    assert 0.4 < one.seconds < 5
    assert (one.tool, one.call_id) == ("", "")
    assert one.where.endswith("compute")
    assert dog.times == 1
    assert dog.seconds == one.seconds


async def test_of_a_tool_its_name_and_its_call_are_told():
    async def work():
        async def step():
            await asyncio.sleep(0.01)
            compute(0.6)
            await asyncio.sleep(0.01)
            return "done"

        assert await runner._Stepped(step(), ("lookup", "call_7")) == "done"

    ((one,), _) = await watched(work)
    assert (one.tool, one.call_id) == ("lookup", "call_7")
    assert one.seconds > BLOCKED_SECONDS
