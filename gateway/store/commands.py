"""Commands between nodes: a stream for each node, and a list for each answer.

A command that its node did not take within its time is not done later.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog

from gateway.errors import NodeSilent, StoreUnavailable
from gateway.store import keys
from gateway.store.client import AWAY, entries_of

log = structlog.get_logger("gateway.store")

Handle = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

BLOCK_MS = 1000
REPLY_SECONDS = 30


class Commands:
    """`patient` is a client that waits longer for an answer than any command may take."""

    def __init__(self, redis: Any, patient: Any, url: str) -> None:
        self._redis, self._patient, self._url = redis, patient, url
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = False

    async def ask(self, node: str, command: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Have `node` do it; its answer. Raises NodeSilent, StoreUnavailable."""
        ask_id = secrets.token_hex(12)
        body = orjson.dumps({"id": ask_id, "seconds": seconds, **command})
        try:
            if not await self._redis.execute_command("EXISTS", keys.node(node)):
                raise NodeSilent(node, 0.0)
            stream = keys.commands(node)
            await self._redis.execute_command("XADD", stream, "MAXLEN", "~", keys.MAX_COMMANDS, "*", "command", body)
            answer = await self._patient.execute_command("BLPOP", keys.reply(ask_id), seconds)
        except AWAY as error:
            raise StoreUnavailable(self._url, str(error)) from error
        if answer is None:
            raise NodeSilent(node, seconds)
        told: dict[str, Any] = orjson.loads(answer[1])
        return told

    def stop(self) -> None:
        """Let `serve` end within BLOCK_MS; a client that swallows cancellation cannot be relied on to pass it on."""
        self._stopped = True

    async def serve(self, node: str, handle: Handle) -> None:
        """Do what others ask of this run of the node, each in a task of its own, until `stop`."""
        last, stream = "0-0", keys.commands(node)
        while not self._stopped:
            try:
                found = await self._patient.xread({stream: last}, count=100, block=BLOCK_MS)
                time = await self._redis.execute_command("TIME")
            except AWAY:
                await asyncio.sleep(0.5)
                continue
            now_ms = _milliseconds(time)
            taken = entries_of(found)
            for _, entry_id, fields in taken:
                last = entry_id.decode()
                try:
                    command = orjson.loads(fields[b"command"])
                    late = now_ms - int(last.partition("-")[0]) > command["seconds"] * 1000
                except (ValueError, KeyError, TypeError) as error:  # of somebody else's: the next may be good
                    log.warning("store.command_unreadable", problem=f"{type(error).__name__}: {error}")
                    continue
                if late:
                    log.warning("store.command_expired", verb=command.get("verb"), call_id=command.get("call_id"))
                    continue
                task = asyncio.get_running_loop().create_task(self._do(command, handle))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            if taken:  # what was to be said, to whom, and whose records to erase is nobody's business any more
                with suppress(*AWAY):
                    await self._redis.xdel(stream, *(entry_id for _, entry_id, _ in taken))

    async def _do(self, command: dict[str, Any], handle: Handle) -> None:
        try:
            answer = await handle(command)
        except Exception as error:  # boundary: who asked is not left waiting
            log.exception("store.command_failed", verb=command.get("verb"))
            answer = {"error": "InternalError", "problem": f"{type(error).__name__}: {error}"}
        key = keys.reply(command["id"])
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.rpush(key, orjson.dumps(answer))
                pipeline.expire(key, REPLY_SECONDS)
                await pipeline.execute()
        except AWAY as error:
            log.warning("store.answer_lost", verb=command.get("verb"), problem=str(error))


def _milliseconds(time: Any) -> int:
    """Of TIME, which redis-py gives as a tuple of ints or of bytes."""
    return int(time[0]) * 1000 + int(time[1]) // 1000
