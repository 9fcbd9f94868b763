"""Writes that nobody waits for: a bounded queue, written in batches, kept while Redis is away.

Every command has to be idempotent, for a batch whose answer was lost is written again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from typing import Any

import structlog
from redis.exceptions import RedisError

from gateway.store.client import AWAY

Command = tuple[str | bytes | int | float, ...]

log = structlog.get_logger("gateway.store")

BATCH = 200
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_SEEN = "equal or smaller than the target stream top item"  # this XADD is written already
_PASSING = ("LOADING", "BUSY", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN")


@dataclass(slots=True)
class _Entry:
    """What is written in one transaction; `light` is what may be dropped first."""

    commands: tuple[Command, ...]
    light: bool


class Writer:
    """`put` never blocks. When more than `limit` commands wait the oldest light ones are dropped and counted.

    What is not light waits however long Redis is away: the state of calls, what was said, what others have to be told.
    """

    def __init__(self, redis: Any, url: str, limit: int = 100_000) -> None:
        self._redis, self._url, self._limit = redis, url, limit
        self._queue: deque[_Entry] = deque()
        self._light: deque[_Entry] = deque()  # those of them, in the same order
        self._waiting = 0  # commands
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.available = False
        self._looked = asyncio.Event()
        self.dropped = 0
        self._said_down = False
        self._stopped = False

    def put(self, *commands: Command, light: bool = False) -> None:
        """These belong together: all of them are written, or none."""
        entry = _Entry(commands, light)
        self._queue.append(entry)
        self._waiting += len(commands)
        if light:
            self._light.append(entry)
        while self._waiting > self._limit and self._light:
            oldest = self._light.popleft()
            self.dropped += len(oldest.commands)
            self._waiting -= len(oldest.commands)
            oldest.commands = ()
        self._wake.set()
        self._idle.clear()

    def __len__(self) -> int:
        """Commands that wait."""
        return self._waiting

    async def run(self) -> None:
        """Writes until `stop`; looks after Redis once a second when there is nothing to write."""
        failures = 0
        self._wake.set()  # the first look is now
        while not self._stopped:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
                failures = 0
            except AWAY as error:
                self._note(False, str(error))
                if not self._stopped:
                    await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
                self._wake.set()

    def stop(self) -> None:
        """Let `run` end after what it is doing; a client that swallows cancellation cannot be cancelled instead."""
        self._stopped = True
        self._wake.set()

    async def _write(self) -> None:
        if not self._queue or not self.available:  # a Cluster's client learns by that where its slots are
            await self._redis.ping()
        while self._queue:
            batch = self._batch()
            commands = [command for entry in batch for command in entry.commands]
            pipeline = self._redis.pipeline(transaction=True)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False) if commands else []
            for command, answer in zip(commands, answers, strict=True):
                if isinstance(answer, RedisError) and _SEEN not in str(answer):
                    if str(answer).startswith(_PASSING):
                        raise answer
                    log.error("store.command_refused", command=str(command[0]), problem=str(answer))
            for entry in batch:
                self._queue.popleft()
                self._waiting -= len(entry.commands)
                if self._light and self._light[0] is entry:
                    self._light.popleft()
            self._note(True)
        self._note(True)
        self._idle.set()

    def _batch(self) -> list[_Entry]:
        """The oldest, whole, up to some BATCH commands."""
        taken: list[_Entry] = []
        count = 0
        for entry in self._queue:
            if taken and count + len(entry.commands) > BATCH:
                break
            taken.append(entry)
            count += len(entry.commands)
        return taken

    def _note(self, available: bool, problem: str = "") -> None:
        if available and not self.available:
            log.info("store.available", url=self._url, waiting=len(self._queue))
        elif not available and not self._said_down:
            log.error("store.unavailable", url=self._url, problem=problem)
        self.available, self._said_down = available, not available
        self._looked.set()

    async def first_look(self, seconds: float) -> None:
        """Wait until it is known whether Redis answers, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._looked.wait()

    async def flush(self, seconds: float) -> None:
        """Wait until all is written, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
