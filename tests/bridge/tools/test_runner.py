import asyncio
import time

import pytest

from gateway.agents.registry import describe
from gateway.bridge.tools import runner
from gateway.errors import ToolError


def double(x: int) -> dict[str, int]:
    """Twice as much."""
    return {"twice": 2 * x}


async def slow(x: int) -> str:
    """Takes its time."""
    await asyncio.sleep(30)
    return "late"


def stuck(x: int) -> str:
    """Never comes back in time."""
    time.sleep(1.0)
    return "late"


def broken(x: int) -> str:
    """Has a bug."""
    raise KeyError("oops")


async def run(function, arguments='{"x": 4}', seconds=5.0):
    return await runner.run(describe(function), "c1", arguments, None, seconds)


async def test_functions_async_or_not():
    async def later(x: int) -> str:
        return f"{x}!"

    assert await run(double) == '{"twice":8}'
    assert await run(later) == "4!"


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        (slow, '{"x": 1}', "took longer than 0.05 s"),
        (stuck, '{"x": 1}', "took longer than 0.05 s"),
        (broken, '{"x": 1}', "KeyError: 'oops'"),
        (double, '{"x": "many"}', "x: Input should be a valid integer"),
        (double, "{", "Invalid JSON"),
    ],
)
async def test_what_goes_wrong_is_an_error_for_the_model(function, arguments, says):
    with pytest.raises(ToolError, match=says):
        await run(function, arguments, 0.05)


async def test_a_stuck_function_holds_up_nobody():
    waiting = [asyncio.create_task(run(stuck, seconds=0.05)) for _ in range(5)]
    assert await run(double) == '{"twice":8}'
    for one in waiting:
        with pytest.raises(ToolError):
            await one


async def test_there_is_a_limit_to_what_runs_at_once(monkeypatch):
    monkeypatch.setattr(runner, "MAX_THREADS", 0)
    monkeypatch.setattr(runner, "_slots", type("None", (), {"acquire": lambda *_, **__: False})())
    with pytest.raises(ToolError, match="running already"):
        await run(double)


async def test_while_a_tool_has_the_loop_it_is_known_and_errors_and_cancellations_are_its_own():
    seen = []

    async def work(fails):
        seen.append(runner.running_tools())
        try:
            await asyncio.sleep(0.01)
            seen.append(runner.running_tools())
            if fails:
                raise ValueError("no")
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with pytest.raises(ValueError, match="no"):
        await runner._Stepped(work(True), ("f", "c"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await runner._Stepped(work(False), ("g", "c"))
    assert seen == [("f", "c"), ("f", "c"), ("g", "c"), ("g", "c"), "cancelled"]
    assert runner._on_loop == []
