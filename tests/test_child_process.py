"""With real processes: what dies is started again, what does not end is killed."""

import asyncio
import sys

import pytest

from gateway import child_process as module
from gateway.child_process import ChildProcess
from gateway.errors import ConfigError

SLEEPS = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


def child(program, faults=()):
    """One that runs Python, and a list of all that were started; `faults` come true in turn, None for none."""
    started, told, faults = [], [], list(faults)

    async def start():
        if faults and (fault := faults.pop(0)):
            raise fault
        started.append(
            await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
        )
        return started[-1]

    return ChildProcess(start, lambda process: told.append(process.returncode), told.append), started, told


async def until(what):
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)


async def test_what_dies_is_started_again_and_ends_when_it_is_asked(monkeypatch):
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.01)
    one, started, told = child(SLEEPS)
    await one.start()
    started[0].kill()
    await until(lambda: len(started) == 2)
    assert told == [-9]
    await one.end(lambda process: process.terminate())
    assert started[1].returncode == -15
    assert told == [-9]


async def test_what_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr(module, "END_SECONDS", 0.1)
    one, started, _ = child(DEAF)
    await one.start()
    await started[0].stdout.readline()  # it ignores SIGTERM from here on
    await one.end(lambda process: process.terminate())
    assert started[0].returncode == -9


async def test_what_cannot_start_is_told_at_the_beginning_and_later(monkeypatch):
    monkeypatch.setattr(module, "RESTART_SECONDS", 0.01)
    fault = ConfigError("it", "cannot start")
    one, _, _ = child(SLEEPS, [fault])
    with pytest.raises(ConfigError):
        await one.start()
    await one.end(lambda process: process.kill())  # there is nothing to end
    one, started, told = child(SLEEPS, [None, fault])
    await one.start()
    started[0].kill()
    await until(lambda: fault in told)
    await one.end(lambda process: None)
