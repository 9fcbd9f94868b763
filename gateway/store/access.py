"""API keys, the audit of what was asked for, and first answers by idempotency key."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import orjson

from gateway.errors import StoreUnavailable
from gateway.store import keys
from gateway.store.client import AWAY, ask
from gateway.store.writer import Writer

IDEMPOTENCY_SECONDS = 86400
PENDING_SECONDS = 60
"""After which a request that never ended may be made again."""


ROLES = ("read", "operate", "admin")
"""What a key may: look on; act on calls; and all else. Each may what those before it may."""


class Access:
    """Raises StoreUnavailable."""

    def __init__(self, redis: Any, url: str, writer: Writer) -> None:
        self._redis, self._url, self._writer = redis, url, writer
        self._peer = ""

    async def add_key(self, name: str, role: str, now: float) -> tuple[str, str]:
        """A new key: its id, and the key itself, which is shown this once. Raises ValueError for an unknown role."""
        if role not in ROLES:
            raise ValueError(f"there is no role {role!r}; these are: {', '.join(ROLES)}")
        key_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        key = f"gw_{key_id}_{secret}"
        row = {"name": name, "role": role, "hash": hash_of(key), "created_at": now}
        await self._ask("HSET", keys.KEYS, key_id, orjson.dumps(row))
        return key_id, key

    async def keys(self) -> dict[str, dict[str, Any]]:
        """By id: name, role, hash, created_at."""
        try:
            found = await self._redis.hgetall(keys.KEYS)
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return {key_id.decode(): orjson.loads(row) for key_id, row in found.items()}

    async def remove_key(self, key_id: str) -> bool:
        return bool(await self._ask("HDEL", keys.KEYS, key_id))

    async def peer_key(self) -> str:
        """What nodes show each other; made by the first who asks."""
        if not self._peer:
            await self._ask("SET", keys.PEER, f"peer_{secrets.token_urlsafe(32)}", "NX")
            self._peer = (await self._ask("GET", keys.PEER)).decode()
        return self._peer

    def note(self, **facts: Any) -> None:
        """For the audit; never fails."""
        body = orjson.dumps(facts)
        self._writer.put(("XADD", keys.AUDIT, "MAXLEN", "~", keys.MAX_AUDIT, "*", "entry", body))

    async def audit(self, before: str, limit: int) -> list[dict[str, Any]]:
        """The latest first, those before the entry of that id."""
        try:
            found = await self._redis.xrevrange(keys.AUDIT, f"({before}" if before else "+", count=limit)
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return [{"id": one.decode(), **orjson.loads(entry[b"entry"])} for one, entry in found]

    async def begin(self, key: str, request: str) -> dict[str, Any] | None:
        """None for a key that is new: then `finish` it. Else what is known of the first request that bore it."""
        pending = orjson.dumps({"request": request})
        if await self._ask("SET", keys.idempotency(key), pending, "NX", "EX", PENDING_SECONDS):
            return None
        known = await self._ask("GET", keys.idempotency(key))
        found: dict[str, Any] | None = orjson.loads(known) if known else None
        return found

    async def finish(self, key: str, request: str, answer: dict[str, Any] | None) -> None:
        """The first answer; None where the request came to nothing, and may be made again."""
        if answer is None:
            await self._ask("DEL", keys.idempotency(key))
        else:
            row = orjson.dumps({"request": request, "answer": answer})
            await self._ask("SET", keys.idempotency(key), row, "EX", IDEMPOTENCY_SECONDS)

    async def _ask(self, *command: Any) -> Any:
        return await ask(self._redis, self._url, *command)


def hash_of(key: str) -> str:
    """As it is kept. A key has 256 bits of chance in it, so one round of SHA-256 is as good as many."""
    return hashlib.sha256(key.encode()).hexdigest()
