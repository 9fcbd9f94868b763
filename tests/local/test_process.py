import asyncio
import os
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake

from gateway.errors import ConfigError
from gateway.local import LocalProcess, LocalSettings, Rule, Script
from gateway.local import process as module
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


async def test_one_that_hangs_is_ended_and_the_next_has_the_new_scripts(monkeypatch):
    process = LocalProcess(LocalSettings(scripts={"agent": Script()}))
    async with process as url:
        child = process._child._process
        assert child is not None
        os.kill(child.pid, signal.SIGSTOP)
        monkeypatch.setattr(module, "START_SECONDS", 0.5)
        await process.use({"other": Script()})
        monkeypatch.undo()
        async with asyncio.timeout(15):
            while process._child._process is child:
                await asyncio.sleep(0.05)
        async with connect(f"{url}?model=other") as one:
            assert "session.created" in await one.recv()


@needs_ears
async def test_scripts_that_cannot_be_served_leave_those_that_are():
    process = LocalProcess(LocalSettings(scripts={"agent": Script()}))
    async with process as url:
        with pytest.raises(ConfigError, match="xyzzyx"):
            await process.use({"agent": Script((Rule(("xyzzyx",)),)), "other": Script()})
        async with connect(f"{url}?model=agent") as one:
            assert "session.created" in await one.recv()
        assert list(process._settings.scripts) == ["agent"]


@needs_ears
async def test_a_script_that_cannot_be_served_is_told():
    script = Script((Rule(("xyzzyx",)),))
    with pytest.raises(ConfigError, match="xyzzyx"):
        await LocalProcess(LocalSettings(scripts={"agent": script})).__aenter__()
