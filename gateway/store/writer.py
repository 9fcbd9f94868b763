"""Writes that nobody waits for: a bounded queue, written in batches, kept while Redis is away.

Every command has to be idempotent, for a batch whose answer was lost is written again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

Command = tuple[str | bytes | int | float, ...]

log = structlog.get_logger("gateway.store")

BATCH = 200
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
_SEEN = "equal or smaller than the target stream top item"  # this XADD is written already
_PASSING = ("LOADING", "BUSY", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN")


class Writer:
    """`put` never blocks. When more than `limit` commands wait the oldest are dropped and counted."""

    def __init__(self, redis: Redis, url: str, limit: int = 100_000) -> None:
        self._redis, self._url, self._limit = redis, url, limit
        self._queue: deque[Command] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.available = False
        self.dropped = 0
        self._said_down = False
        self._stopped = False

    def put(self, *commands: Command) -> None:
        self._queue.extend(commands)
        while len(self._queue) > self._limit:
            self._queue.popleft()
            self.dropped += 1
        self._wake.set()
        self._idle.clear()

    def __len__(self) -> int:
        """Commands that wait."""
        return len(self._queue)

    async def run(self) -> None:
        """Writes until `stop`; looks after Redis once a second when there is nothing to write."""
        failures = 0
        while not self._stopped:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
                failures = 0
            except (RedisConnectionError, RedisTimeoutError, ResponseError, OSError) as error:
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
        if not self._queue:
            await self._redis.ping()
        while self._queue:
            batch = [self._queue[i] for i in range(min(BATCH, len(self._queue)))]
            dropped = self.dropped
            pipeline = self._redis.pipeline(transaction=True)
            for command in batch:
                pipeline.execute_command(*command)
            for command, answer in zip(batch, await pipeline.execute(raise_on_error=False), strict=True):
                if isinstance(answer, RedisError) and _SEEN not in str(answer):
                    if str(answer).startswith(_PASSING):
                        raise answer
                    log.error("store.command_refused", command=str(command[0]), problem=str(answer))
            for _ in range(len(batch) - (self.dropped - dropped)):  # what was dropped meanwhile is gone already
                self._queue.popleft()
            self._note(True)
        self._note(True)
        self._idle.set()

    def _note(self, available: bool, problem: str = "") -> None:
        if available and not self.available:
            log.info("store.available", url=self._url, waiting=len(self._queue))
        elif not available and not self._said_down:
            log.error("store.unavailable", url=self._url, problem=problem)
        self.available, self._said_down = available, not available

    async def flush(self, seconds: float) -> None:
        """Wait until all is written, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
