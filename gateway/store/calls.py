"""Calls in Redis: the record of each, its events, and the index of those in progress."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import orjson

from gateway import events
from gateway.errors import StoreUnavailable
from gateway.events import CallEvent
from gateway.store import keys, outbox
from gateway.store.client import AWAY
from gateway.store.voicemails import REMOVED, REMOVED_SECONDS
from gateway.store.writer import Command, Writer

LIGHT = frozenset(one.type for one in (events.SpeechStarted, events.SpeechStopped, events.SpeechHeard))
"""What may be lost when Redis is away for too long."""

_CALL_ID = re.compile(rb'"call_id":"([^"]+)"')

MOST_MESSAGES = 10
"""That one call may leave at mailboxes."""

LOOKED_AT = 5000
"""Records that one page of a list may be sought in."""

_ROWS = """
local rows = {}
local found = redis.call('ZREVRANGEBYSCORE', KEYS[1], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', ARGV[2], ARGV[3])
for i = 1, #found, 2 do
  local of = redis.call('HMGET', ARGV[4] .. found[i], 'record', 'closed')
  rows[#rows + 1] = {found[i], found[i + 1], of[1] or '', of[2] or ''}
end
return rows
"""

Where = Callable[[dict[str, Any]], bool]


class Calls:
    """Writing goes through the queue and never fails; reading raises StoreUnavailable.

    `entries` says what the outbox has to hold of an event.
    """

    def __init__(self, redis: Any, url: str, writer: Writer, keep_seconds: int) -> None:
        self._redis, self._url, self._writer, self._keep = redis, url, writer, keep_seconds
        self._last_id: dict[str, tuple[int, int]] = {}
        self.entries: Callable[[CallEvent, dict[str, Any]], list[dict[str, str]]] = lambda event, record: []

    def write(self, event: CallEvent, record: dict[str, Any]) -> None:
        """An event of a call, with the call's record as it is after it."""
        call_id, ended = event.call_id, record.get("ended_at")
        key, stream, light = keys.call(call_id), keys.events(call_id), event.type in LIGHT
        told = {"call_id": call_id, "type": event.type, "at": event.at, "data": event.data}
        commands: list[Command] = [
            ("XADD", stream, "MAXLEN", "~", keys.MAX_EVENTS, self._entry_id(event),
             "type", event.type, "at", repr(event.at), "data", orjson.dumps(event.data)),
            ("XADD", keys.EVENTS, "MAXLEN", "~", keys.MAX_WATCHED, "*",
             "event", orjson.dumps(told if light else told | {"record": record})),
        ]  # fmt: skip
        if ended:
            del self._last_id[call_id]
            commands += [
                *_kept(key, record),
                ("ZREM", keys.LIVE, call_id),
                ("ZADD", keys.ENDED, ended, call_id),
                ("ZREMRANGEBYSCORE", keys.ENDED, "-inf", ended - self._keep),
                ("EXPIRE", key, self._keep),
                ("EXPIRE", stream, self._keep),
            ]
        elif not light:
            commands += [*_kept(key, record), ("ZADD", keys.LIVE, record["started_at"], call_id)]
        commands += [outbox.entry(one) for one in self.entries(event, record)]
        self._writer.put(*commands, light=light)

    def again(self, record: dict[str, Any]) -> None:
        """A call in progress that others may have given up, or that Redis forgot."""
        call_id = record["call_id"]
        self._writer.put(
            *_kept(keys.call(call_id), record),
            ("PERSIST", keys.call(call_id)),
            ("PERSIST", keys.events(call_id)),
            ("ZREM", keys.ENDED, call_id),
            ("ZADD", keys.LIVE, record["started_at"], call_id),
        )

    def keep_levels(self, call_id: str, levels: bytes) -> None:
        self._writer.put(("SET", keys.levels(call_id), levels, "EX", self._keep), light=True)

    def forget_live(self, call_id: str) -> None:
        """One that stands in the index of live calls and is not."""
        self._writer.put(("ZREM", keys.LIVE, call_id))

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
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        if not fields:
            return None
        return record_of(fields) | {"events": [_event(entry_id, entry) for entry_id, entry in entries]}

    async def record(self, call_id: str) -> dict[str, Any] | None:
        """The record alone."""
        try:
            fields = await self._redis.hgetall(keys.call(call_id))
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return record_of(fields) if fields else None

    async def amend(self, call_id: str, found: Mapping[str, Any]) -> bool:
        """Add to the record of a call that has ended; False where there is none any more."""
        record = await self.record(call_id)
        if record is None:
            return False
        try:
            await self._redis.execute_command("HSET", keys.call(call_id), "record", orjson.dumps({**record, **found}))
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        return True

    async def events(self, call_id: str, after: str, limit: int) -> list[dict[str, Any]]:
        """Events after the one whose `id` is `after`, in order. Raises ValueError where that is no id."""
        _check_id(after)
        return [_event(entry_id, entry) for entry_id, entry in await self._entries(keys.events(call_id), after, limit)]

    async def erase(self, call_ids: Collection[str]) -> None:
        """All that is here of these calls, which have ended; and their ids for nodes that may have more of them."""
        if not call_ids:
            return
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                for call_id in call_ids:
                    pipeline.delete(keys.call(call_id), keys.events(call_id), keys.levels(call_id))
                    messages = [call_id, *(f"{call_id}-{number}" for number in range(2, MOST_MESSAGES + 1))]
                    for one in messages:
                        pipeline.set(keys.voicemail(one), REMOVED, xx=True, ex=REMOVED_SECONDS)
                    pipeline.zrem(keys.VOICEMAILS, *messages)
                    pipeline.zrem(keys.ENDED, call_id)
                    pipeline.xadd(keys.ERASED, {"call_id": call_id}, maxlen=keys.MAX_ERASED)
                await pipeline.execute()
            for stream in (keys.EVENTS, keys.OUTBOX, keys.DEAD):
                await self._erase_from(stream, {call_id.encode() for call_id in call_ids})
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error

    async def _erase_from(self, stream: str, call_ids: set[bytes]) -> None:
        """Entries that are about one of them, page by page; what has to erase more elsewhere stays."""
        after = "-"
        while entries := await self._redis.xrange(stream, after, count=500):
            unwanted = [
                entry_id
                for entry_id, entry in entries
                if _about(entry) in call_ids and not entry.get(b"body", b"").startswith(outbox.ERASE.encode())
            ]
            if unwanted:
                await self._redis.xdel(stream, *unwanted)
            after = f"({entries[-1][0].decode()}"

    async def erased_after(self, entry_id: str) -> tuple[list[str], str]:
        """Calls that were erased behind that entry, and the last entry."""
        found = await self._entries(keys.ERASED, entry_id, 1000)
        return [entry[b"call_id"].decode() for _, entry in found], found[-1][0].decode() if found else entry_id

    async def _entries(self, stream: str, after: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            return list(await self._redis.xrange(stream, f"({after}" if after else "-", count=count))
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error

    async def levels(self, call_id: str) -> bytes:
        try:
            return await self._redis.get(keys.levels(call_id)) or b""
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error

    async def page(self, where: Where | None, cursor: str, limit: int) -> tuple[list[dict[str, Any]], str]:
        """Records that `where` likes, and the cursor of those that follow (empty: none do).

        Calls in progress first, the latest before the others; then ended ones, by their end. Raises ValueError for a
        cursor that is none of ours.
        """
        index, score, last = _decode(cursor)
        found: list[dict[str, Any]] = []
        looked = 0
        for at in (0, 1)[index:]:
            while True:
                count = max(limit, 100) if where else limit + 1
                rows = await self._rows((keys.LIVE, keys.ENDED)[at], score, last, count)
                for call_id, its_score, record in rows:
                    looked, score, last = looked + 1, its_score, call_id
                    if record and (where is None or where(record)):
                        found.append(record)
                    if len(found) == limit or looked >= LOOKED_AT:
                        return found, _encode(at, score, last)
                if not rows:
                    break
            score, last = float("inf"), ""
        return found, ""

    async def _rows(self, key: str, score: float, last: str, count: int) -> list[tuple[str, float, dict[str, Any]]]:
        """Id, score and record of those that come after the one of that score and name, in one round."""
        highest: Any = "+inf" if score == float("inf") else repr(score)
        start = 0
        while True:
            arguments = (key, highest, start, count, keys.call(""))
            try:
                raw = await self._redis.execute_command("EVAL", _ROWS, 1, *arguments)
            except AWAY as error:
                raise StoreUnavailable(self._url, str(error)) from error
            rows = [
                (call_id.decode(), float(its), record_of({b"record": record, b"closed": closed}))
                for call_id, its, record, closed in raw
            ]
            after = [row for row in rows if not last or (row[1], row[0]) < (score, last)]
            if after or len(rows) < count:
                return after
            start += count

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        """Records of the calls in progress and of the latest ended ones, newest first."""
        return (await self.page(None, "", limit))[0]


def _kept(key: str, record: dict[str, Any]) -> list[Command]:
    """The record as its owner knows it, and no word of others' about it."""
    return [("HSET", key, "record", orjson.dumps(record)), ("HDEL", key, "closed")]


def record_of(fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """With what others said of its end, where its node died."""
    record: dict[str, Any] = orjson.loads(fields.get(b"record") or b"{}")
    closed: dict[str, Any] = orjson.loads(fields.get(b"closed") or b"{}")
    return record | closed


def _event(entry_id: bytes, entry: dict[bytes, bytes]) -> dict[str, Any]:
    return {
        "id": entry_id.decode(),
        "type": entry[b"type"].decode(),
        "at": float(entry[b"at"]),
        "data": orjson.loads(entry[b"data"]),
    }


def _about(entry: Mapping[bytes, bytes]) -> bytes:
    """The call of an entry of a stream: a field of its own, or one of its JSON."""
    if b"call_id" in entry:
        return entry[b"call_id"]
    found = _CALL_ID.search(entry.get(b"event", b""))
    return found[1] if found else b""


def _check_id(event_id: str) -> None:
    if event_id and not all(part.isdecimal() and len(part) <= 20 for part in event_id.split("-", 1)):
        raise ValueError(f"{event_id!r} is not the id of an event")


def _encode(index: int, score: float, last: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([index, score, last])).decode().rstrip("=")


def _decode(cursor: str) -> tuple[int, float, str]:
    if not cursor:
        return 0, float("inf"), ""
    try:
        index, score, last = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if index in (0, 1) and isinstance(score, int | float) and isinstance(last, str):
            return index, float(score), last
    except (ValueError, TypeError, binascii.Error):
        pass
    raise ValueError("this cursor is none of ours")
