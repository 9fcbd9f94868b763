"""Runs the embedded server as a child process, so that its detector and voice take no time from the media path."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

import orjson

from gateway.errors import ConfigError
from gateway.local.server import LocalSettings

START_SECONDS = 30


class LocalProcess:
    """`async with LocalProcess(settings) as url`. Raises ConfigError where the server cannot start."""

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> str:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.local",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the gateway, which then ends its child
        )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(self._settings)) + b"\n")
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            line = b""
        answer = orjson.loads(line) if line else {"error": "it ended or hung before it listened"}
        if "url" not in answer:
            await self.__aexit__()
            raise ConfigError("the embedded Realtime server", answer["error"])
        url: str = answer["url"]
        return url

    async def __aexit__(self, *_: object) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
