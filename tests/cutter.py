"""A network between the gateway and its provider that can be cut: every TCP connection through it, at once."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any


class Cutter:
    """`async with Cutter(port)`: `url` leads to that port of this machine until it is cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.refusing = False  # new connections are dropped at once
        self.deaf = asyncio.Event()  # while not set nothing passes
        self.deaf.set()
        self.connections = 0

    async def __aenter__(self) -> Cutter:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/v1/realtime"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.deaf.set()
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """What an unplugged cable or a dead server does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.connections += 1
        with contextlib.suppress(OSError):
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, there}
            pipes: list[Any] = [self._pass(reader, there), self._pass(there_reader, writer)]
            await asyncio.gather(*pipes)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self.deaf.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
        self._writers.discard(writer)
