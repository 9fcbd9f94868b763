"""Programs that the gateway starts for itself: kept running, and ended with it."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.errors import ConfigError

RESTART_SECONDS = 0.5
END_SECONDS = 5.0
"""For which it may take its time, before it is killed."""


class ChildProcess:
    """`start` gives one that is ready, or raises ConfigError; `died` hears of each that ends by itself."""

    def __init__(
        self,
        start: Callable[[], Awaitable[Process]],
        died: Callable[[Process], None],
        not_started: Callable[[ConfigError], None],
    ) -> None:
        self._start, self._died, self._not_started = start, died, not_started
        self._process: Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises ConfigError where the first one cannot start."""
        self._process = await self._start()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(self._process))

    async def _keep(self, process: Process) -> None:
        """Start it again when it dies, until it cannot be started."""
        while True:
            await process.wait()
            self._died(process)
            await asyncio.sleep(RESTART_SECONDS)
            try:
                process = self._process = await self._start()
            except ConfigError as error:
                self._not_started(error)
                return

    async def end(self, ask: Callable[[Process], None]) -> None:
        """`ask` it to end, and wait; or kill it."""
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._process:
            ask(self._process)
            await ended(self._process)


async def ended(process: Process) -> None:
    """Wait for its end, and kill it where that takes too long."""
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
