"""What happens in all calls of all nodes, as it happens, for as many as want to watch: one reader for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from gateway.store import keys
from gateway.store.client import AWAY, entries_of

BLOCK_MS = 1000
BACKLOG = 1000
"""Events that one watcher may be behind; of one that is further behind the oldest are dropped."""


class Watch:
    """`patient` is a client that waits longer than BLOCK_MS for an answer."""

    def __init__(self, redis: Any, patient: Any) -> None:
        self._redis, self._patient = redis, patient
        self._queues: set[asyncio.Queue[dict[str, Any]]] = set()
        self._reader: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._queues)

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """From now on: call_id, type, at, data, and the `record` for what changes it. `id` is the stream's."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(BACKLOG)
        self._queues.add(queue)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.get_running_loop().create_task(self._read())
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.discard(queue)

    def tell(self, event: dict[str, Any]) -> None:
        """To all who watch here."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    async def _read(self) -> None:
        """Ends when nobody watches."""
        last = ""
        while self._queues:
            try:
                if not last:
                    newest = await self._redis.execute_command("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1)
                    last = newest[0][0].decode() if newest else "0-0"
                found = await self._patient.xread({keys.EVENTS: last}, count=500, block=BLOCK_MS)
            except AWAY:
                await asyncio.sleep(0.5)
                continue
            for entry_id, fields in entries_of(found):
                last = entry_id.decode()
                self.tell({"id": last, **orjson.loads(fields[b"event"])})

    async def close(self) -> None:
        self._queues.clear()
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
