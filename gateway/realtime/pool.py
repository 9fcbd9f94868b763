"""Connections that are open before a call needs them: name look-up, TLS and the handshake are done.

For each provider and model as many as its `warm` says, from the first call on. Each is given up after `WARM_SECONDS`,
for providers end sessions in which nothing happens, and is followed by another.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from gateway.realtime.openai.socket import WebSocket

WARM_SECONDS = 50.0

log = structlog.get_logger("gateway.realtime")

Open = Callable[[Callable[[bytes], None], Callable[[int, str], None]], Awaitable[WebSocket]]
"""Opens one; gets who is to hear its messages, and its end."""


class WarmConnection:
    """One connection that waits: what has come by it, and whether it is still there."""

    def __init__(self) -> None:
        self.socket: WebSocket | None = None
        self.frames: list[bytes] = []
        self.ended = False
        self.timer: asyncio.TimerHandle | None = None

    def end(self, code: int = 0, reason: str = "") -> None:
        self.ended = True


class Pool:
    """Of one node, by a key for each kind of connection."""

    def __init__(self) -> None:
        self._ready: defaultdict[str, list[WarmConnection]] = defaultdict(list)
        self._opening: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._closed = False

    def waiting(self, key: str) -> int:
        return len(self._ready[key])

    def take(self, key: str, size: int, open_one: Open) -> WarmConnection | None:
        """The oldest that is still there, None where there is none; others are opened until there are `size`."""
        taken = None
        while self._ready[key] and taken is None:
            warm = self._ready[key].pop(0)
            if warm.timer:
                warm.timer.cancel()
            taken = warm if not warm.ended else None
        self._fill(key, size, open_one)
        return taken

    def _fill(self, key: str, size: int, open_one: Open) -> None:
        opening = self._opening[key]
        while not self._closed and len(self._ready[key]) + len(opening) < size:
            task = asyncio.get_running_loop().create_task(self._add(key, size, open_one))
            opening.add(task)
            task.add_done_callback(opening.discard)

    async def _add(self, key: str, size: int, open_one: Open) -> None:
        warm = WarmConnection()
        try:
            warm.socket = await open_one(warm.frames.append, warm.end)
        except Exception as error:  # boundary: the call that needs one will say it better
            log.debug("realtime.not_warmed", provider=key, problem=str(error))
            return
        warm.timer = asyncio.get_running_loop().call_later(WARM_SECONDS, self._replace, key, size, open_one, warm)
        self._ready[key].append(warm)

    def _replace(self, key: str, size: int, open_one: Open, old: WarmConnection) -> None:
        if old in self._ready[key]:
            self._ready[key].remove(old)
            if old.socket:
                old.socket.close()
            self._fill(key, size, open_one)

    def close(self) -> None:
        self._closed = True
        for opening in self._opening.values():
            for task in opening:
                task.cancel()
        for shelf in self._ready.values():
            for warm in shelf:
                if warm.timer:
                    warm.timer.cancel()
                if warm.socket:
                    warm.socket.close()
        self._ready.clear()
