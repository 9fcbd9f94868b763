"""What happens in all calls of all nodes, as it happens, for as many as want to watch: one reader for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson

from gateway.store import keys
from gateway.store.client import AWAY, entries_of
from gateway.store.writer import Writer

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

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """From now on: `id` (of the stream), call_id, type, at, data, and the `record` where it has changed.

        Also `levels` by call, several times a second: those of caller and agent in dBm0.
        """
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

    def publish_levels(self, writer: Writer, found: Mapping[str, tuple[int, int]]) -> None:
        """How loud these calls of ours are."""
        body = orjson.dumps(found)
        writer.put(("XADD", keys.LEVELS, "MAXLEN", "~", keys.MAX_LEVELS, "*", "levels", body), light=True)

    async def _read(self) -> None:
        """Ends when no watcher is connected."""
        last: dict[str, str] = {}
        now, said = asyncio.get_running_loop().time, float("-inf")
        while self._queues:
            try:
                if now() - said > keys.WATCHED_SECONDS / 3:
                    said = now()
                    await self._redis.execute_command("SET", keys.WATCHED, 1, "EX", keys.WATCHED_SECONDS)
                if not last:
                    last = {stream: await self._newest(stream) for stream in (keys.EVENTS, keys.LEVELS)}
                found = await self._patient.xread(last, count=500, block=BLOCK_MS)
            except AWAY:
                await asyncio.sleep(0.5)
                continue
            for stream, entry_id, fields in entries_of(found):
                last[stream] = entry_id.decode()
                if stream == keys.LEVELS:
                    self.tell({"type": "levels", "levels": orjson.loads(fields[b"levels"])})
                else:
                    self.tell({"id": last[stream], **orjson.loads(fields[b"event"])})

    async def _newest(self, stream: str) -> str:
        newest = await self._redis.execute_command("XREVRANGE", stream, "+", "-", "COUNT", 1)
        return newest[0][0].decode() if newest else "0-0"

    async def close(self) -> None:
        self._queues.clear()
        if self._reader:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
