"""The nodes that share a Redis: who is alive, what each says of itself, and what becomes of the calls of one that died.

A node is believed alive for `LEASE_SECONDS` after its last word, by the clock of Redis. The calls of one that fell
silent are closed by any other: once, for it is done in one script.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from gateway import events
from gateway.call_record import CallState
from gateway.events import CallEvent
from gateway.outcomes import Outcome
from gateway.store import keys
from gateway.store.calls import record_of
from gateway.store.client import ask, pairs_of

Entries = list[dict[str, str]]

_BEAT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local before = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return {before > now and 1 or 0, redis.call('EXISTS', KEYS[4])}
"""
"""Returns whether the node was still believed alive, and whether a watcher is connected."""

_SWEEP = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES'), redis.call('ZRANGE', KEYS[2], 0, -1), now}
"""

_CLOSE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0) > now then return 0 end
if not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[2])
local closed = {state = 'ended', outcome = 'node_died', ended_at = tonumber(ARGV[3])}
redis.call('HSET', KEYS[4], 'closed', cjson.encode(closed))
redis.call('XADD', KEYS[5], '*', 'type', 'ended', 'at', ARGV[3], 'data', ARGV[4])
redis.call('EXPIRE', KEYS[4], ARGV[5])
redis.call('EXPIRE', KEYS[5], ARGV[5])
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[6], '*', 'event', ARGV[7])
for i = 8, #ARGV, 3 do
  redis.call('XADD', KEYS[7], '*', 'for', ARGV[i], 'call_id', ARGV[i + 1], 'body', ARGV[i + 2])
end
return 1
"""
"""1 where the call was closed by this very script: it was live, and its node is not."""


class Nodes:
    """`me` is this node's id. Raises StoreUnavailable."""

    def __init__(self, redis: Any, url: str, me: str, keep_seconds: int) -> None:
        self._redis, self._url, self.me, self._keep = redis, url, me, keep_seconds

    async def beat(self, words: dict[str, Any]) -> tuple[bool, bool]:
        """Say that we are alive. Returns whether we were still believed to be, and whether a watcher is connected."""
        flat = [part for name, value in words.items() for part in (name, orjson.dumps(value))]
        there = keys.NODES, keys.node(self.me), keys.commands(self.me), keys.WATCHED
        alive, watched = await self._run(_BEAT, there, self.me, int(keys.LEASE_SECONDS * 1000), *flat)
        return bool(alive), bool(watched)

    async def leave(self) -> None:
        """We end, and have no calls left."""
        await self._ask("ZREM", keys.NODES, self.me)
        await self._ask("DEL", keys.node(self.me), keys.commands(self.me))

    async def alive(self) -> list[dict[str, Any]]:
        """What each node says of itself, with its `id`, by name."""
        names = [name.decode() for name in await self._ask("ZRANGE", keys.NODES, 0, -1)]
        found = []
        for name in sorted(names):
            if fields := await self._ask("HGETALL", keys.node(name)):
                said = {key.decode(): orjson.loads(value) for key, value in pairs_of(fields)}
                found.append({"id": name, **said})
        return found

    async def sweep(self, entries: Callable[[CallEvent, dict[str, Any]], Entries]) -> list[str]:
        """Close the calls of nodes that died; their ids. `entries` are what the outbox has to hold for each."""
        dead, live, now = await self._run(_SWEEP, (keys.NODES, keys.LIVE))
        if not dead:
            return []
        until = {name.decode(): float(score) / 1000 for name, score in zip(dead[::2], dead[1::2], strict=True)}
        closed = []
        for call_id in live:
            record = await self._record(call_id.decode())
            if record.get("node") in until:
                last_word = until[record["node"]] - keys.LEASE_SECONDS
                ended_at = max(min(last_word, now / 1000), record.get("answered_at") or record.get("started_at", 0.0))
                if await self._close(record, ended_at, entries):
                    closed.append(record["call_id"])
        for name in until:
            await self._ask("ZREM", keys.NODES, name)
        return closed

    async def _close(
        self, record: dict[str, Any], ended_at: float, entries: Callable[[CallEvent, dict[str, Any]], Entries]
    ) -> bool:
        call_id, node = record["call_id"], record["node"]
        ended = events.Ended(Outcome.NODE_DIED, node=node)
        event = CallEvent.of(call_id, ended_at, ended)
        record |= {"state": CallState.ENDED, "outcome": Outcome.NODE_DIED, "ended_at": ended_at}
        there = (keys.NODES, keys.LIVE, keys.ENDED, keys.call(call_id), keys.events(call_id), keys.EVENTS, keys.OUTBOX)
        outbox = [part for one in entries(event, record) for part in (one["for"], one["call_id"], one["body"])]
        watched = orjson.dumps(
            {"call_id": call_id, "type": event.type, "at": ended_at, "data": event.data, "record": record}
        )
        about = (node, call_id, repr(ended_at), orjson.dumps(event.data), self._keep, keys.MAX_WATCHED, watched)
        return bool(await self._run(_CLOSE, there, *about, *outbox))

    async def stale(self, seconds: float, now: float) -> list[str]:
        """Calls of the live index that ended more than `seconds` ago, or of which nothing is known."""
        found = []
        for call_id in await self._ask("ZRANGEBYSCORE", keys.LIVE, "-inf", now - seconds):
            record = await self._record(call_id.decode())
            ended = record.get("ended_at")
            if not record.get("state") or (ended and ended < now - seconds):
                found.append(call_id.decode())
        return found

    async def _record(self, call_id: str) -> dict[str, Any]:
        fields = await self._ask("HGETALL", keys.call(call_id))
        return {"call_id": call_id} | record_of(dict(pairs_of(fields)))

    async def _run(self, script: str, there: tuple[str, ...], *arguments: Any) -> Any:
        return await self._ask("EVAL", script, len(there), *there, *arguments)

    async def _ask(self, *command: Any) -> Any:
        return await ask(self._redis, self._url, *command)
