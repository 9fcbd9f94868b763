"""Messages that callers left, of all nodes; the sound itself lies on the disk of the node that took it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.store import keys
from gateway.store.client import ask, pairs_of

REMOVED = b"removed"
REMOVED_SECONDS = 90 * 86400
"""For which a node that was away finds out that a message of its own was removed."""


class Voicemails:
    """Raises StoreUnavailable."""

    def __init__(self, redis: Any, url: str) -> None:
        self._redis, self._url = redis, url
        self.keep_seconds = 0.0  # 0: for ever

    async def put(self, message: Mapping[str, Any]) -> None:
        """Anew, or as it is from now on: `id`, `at` (epoch s) and more."""
        key = keys.voicemail(message["id"])
        await self._ask("SET", key, orjson.dumps(message), *self._until(message["at"]))
        await self._ask("ZADD", keys.VOICEMAILS, message["at"], message["id"])

    def _until(self, at: float) -> tuple[Any, ...]:
        return ("EXAT", int(at + self.keep_seconds) + 1) if self.keep_seconds else ()

    async def get(self, message_id: str) -> dict[str, Any] | None:
        found = await self._ask("GET", keys.voicemail(message_id))
        message: dict[str, Any] | None = orjson.loads(found) if found and found != REMOVED else None
        return message

    async def knows(self, message_id: str) -> bool:
        """There is one, or there was and it has been removed."""
        return bool(await self._ask("EXISTS", keys.voicemail(message_id)))

    async def latest(self, before: float, limit: int) -> list[tuple[float, dict[str, Any] | None]]:
        """Those that were left before a time (epoch s), the latest first, with their times; None for one that has
        expired."""
        if self.keep_seconds:
            await self._ask("ZREMRANGEBYSCORE", keys.VOICEMAILS, "-inf", f"({before - self.keep_seconds!r}")
        found = await self._ask(
            "ZREVRANGEBYSCORE", keys.VOICEMAILS, f"({before!r}", "-inf", "WITHSCORES", "LIMIT", 0, limit
        )
        nested = bool(found) and isinstance(found[0], list | tuple)  # as RESP3 gives them
        rows = found if nested else pairs_of(found)
        return [(float(at), await self.get(name.decode())) for name, at in rows]

    async def remove(self, message_id: str) -> bool:
        """Whether there was one."""
        await self._ask("SET", keys.voicemail(message_id), REMOVED, "XX", "EX", REMOVED_SECONDS)
        return bool(await self._ask("ZREM", keys.VOICEMAILS, message_id))

    async def _ask(self, *command: Any) -> Any:
        return await ask(self._redis, self._url, *command)
