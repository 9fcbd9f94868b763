"""What was said of calendars, for all nodes: open or closed until a time, whatever their weeks have."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.hours import Override
from gateway.store import keys
from gateway.store.client import ask, pairs_of


class Overrides:
    """Raises StoreUnavailable."""

    def __init__(self, redis: Any, url: str) -> None:
        self._redis, self._url = redis, url

    async def all(self) -> dict[str, Override]:
        """By the calendar's name; also those whose time is over."""
        found = await self._ask("HGETALL", keys.HOURS)
        return {name.decode(): Override(**orjson.loads(row)) for name, row in pairs_of(found)}

    async def put(self, name: str, override: Override) -> None:
        row = {"open": override.open, "until": override.until, "by": override.by}
        await self._ask("HSET", keys.HOURS, name, orjson.dumps(row))

    async def remove(self, name: str) -> bool:
        """Whether there was one."""
        return bool(await self._ask("HDEL", keys.HOURS, name))

    async def _ask(self, *command: Any) -> Any:
        return await ask(self._redis, self._url, *command)
