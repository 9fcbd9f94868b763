import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from gateway.errors import ConfigError
from gateway.local import LocalProcess, LocalSettings, Rule, Script
from tests.gatewayd import needs_ears


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
    child = process._child._process
    await process.__aexit__()
    assert child is not None
    assert await asyncio.wait_for(child.wait(), 5) == 0


async def test_when_it_is_killed_it_comes_back_on_the_same_port():
    process = LocalProcess(LocalSettings(scripts={"agent": Script()}))
    async with process as url:
        assert process._child._process is not None
        first = process._child._process.pid
        process._child._process.kill()
        async with asyncio.timeout(15):
            while True:
                try:
                    async with connect(f"{url}?model=agent") as one:
                        assert "session.created" in await one.recv()
                    break
                except (OSError, InvalidHandshake):
                    await asyncio.sleep(0.05)
        assert process._child._process.pid != first


@needs_ears
async def test_a_script_that_cannot_be_served_is_told():
    script = Script((Rule(("xyzzyx",)),))
    with pytest.raises(ConfigError, match="xyzzyx"):
        await LocalProcess(LocalSettings(scripts={"agent": script})).__aenter__()
