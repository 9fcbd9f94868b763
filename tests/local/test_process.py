import asyncio

import pytest
from websockets.asyncio.client import connect

from gateway.errors import ConfigError
from gateway.local import LocalProcess, LocalSettings, Rule, Script


async def test_it_runs_apart_and_ends_with_us():
    process = LocalProcess(LocalSettings(scripts={"agent": Script()}))
    async with process as url, connect(f"{url}?model=agent") as one:
        assert "session.created" in await one.recv()
    with pytest.raises(OSError, match=r"."):
        await connect(f"{url}?model=agent")


async def test_it_outlives_nobody():
    """Whoever starts it may be killed: then its standard input ends."""
    process = LocalProcess(LocalSettings(scripts={"agent": Script()}))
    await process.__aenter__()
    child = process._process
    await process.__aexit__()
    assert child is not None
    assert await asyncio.wait_for(child.wait(), 5) == 0


async def test_a_script_that_cannot_be_served_is_told():
    script = Script((Rule(("xyzzyx",)),))
    with pytest.raises(ConfigError, match="xyzzyx"):
        await LocalProcess(LocalSettings(scripts={"agent": script})).__aenter__()
