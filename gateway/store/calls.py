"""Calls in Redis: the record of each, its events, and the index of those in progress."""

from __future__ import annotations

from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.errors import StoreUnavailable
from gateway.records import CallEvent
from gateway.store import keys
from gateway.store.writer import Command, Writer


class Calls:
    """Writing goes through the queue and never fails; reading raises StoreUnavailable."""

    def __init__(self, redis: Redis, url: str, writer: Writer, keep_seconds: int) -> None:
        self._redis, self._url, self._writer, self._keep = redis, url, writer, keep_seconds
        self._last_id: dict[str, tuple[int, int]] = {}

    def write(self, event: CallEvent, record: dict[str, Any]) -> None:
        """An event of a call, with the call's record as it is after it."""
        call_id, ended = event.call_id, record.get("ended_at")
        key, stream = keys.call(call_id), keys.events(call_id)
        fields = [part for name, value in record.items() for part in (name, orjson.dumps(value))]
        commands: list[Command] = [
            ("HSET", key, *fields),
            ("XADD", stream, "MAXLEN", "~", keys.MAX_EVENTS, self._entry_id(event),
             "type", event.type, "at", repr(event.at), "data", orjson.dumps(event.data)),
        ]  # fmt: skip
        if ended:
            del self._last_id[call_id]
            commands += [
                ("ZREM", keys.LIVE, call_id),
                ("ZADD", keys.ENDED, ended, call_id),
                ("ZREMRANGEBYSCORE", keys.ENDED, "-inf", ended - self._keep),
                ("EXPIRE", key, self._keep),
                ("EXPIRE", stream, self._keep),
            ]
        else:
            commands.append(("ZADD", keys.LIVE, record["started_at"], call_id))
        self._writer.put(*commands)

    def _entry_id(self, event: CallEvent) -> str:
        """Given by us, so that the same entry is never added twice; rises even when the clock is set back."""
        at, serial = self._last_id.get(event.call_id, (0, 0))
        milliseconds = int(event.at * 1000)
        self._last_id[event.call_id] = entry = (milliseconds, 0) if milliseconds > at else (at, serial + 1)
        return f"{entry[0]}-{entry[1]}"

    async def get(self, call_id: str) -> dict[str, Any] | None:
        """The record with its `events`; None where there is none."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.hgetall(keys.call(call_id))
                pipeline.xrange(keys.events(call_id))
                fields, entries = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(self._url, str(error)) from error
        if not fields:
            return None
        record = _record(fields)
        record["events"] = [
            {
                "type": entry[b"type"].decode(),
                "at": float(entry[b"at"]),
                "data": orjson.loads(entry[b"data"]),
            }
            for _, entry in entries
        ]
        return record

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """Records of the calls in progress and of the latest ended ones, newest first."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.zrevrange(keys.LIVE, 0, limit - 1)
                pipeline.zrevrange(keys.ENDED, 0, limit - 1)
                live, ended = await pipeline.execute()
            async with self._redis.pipeline(transaction=False) as pipeline:
                for call_id in [*live, *ended][:limit]:
                    pipeline.hgetall(keys.call(call_id.decode()))
                found = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return [_record(fields) for fields in found if fields]


def _record(fields: dict[bytes, bytes]) -> dict[str, Any]:
    return {name.decode(): orjson.loads(value) for name, value in fields.items()}
