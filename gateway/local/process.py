"""Runs the embedded server as a child process, so that its detector and voice take no time from the media path."""

from __future__ import annotations

import asyncio
import os
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
        self._lifeline = -1  # the child ends when this end of its standard input closes, by us or with us

    async def __aenter__(self) -> str:
        theirs, self._lifeline = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.local",
                stdin=theirs, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C reaches the gateway, which then ends its child
            )  # fmt: skip
        finally:
            os.close(theirs)
        assert self._process.stdout is not None
        line = orjson.dumps(asdict(self._settings)) + b"\n"
        await asyncio.get_running_loop().run_in_executor(None, os.write, self._lifeline, line)
        try:
            async with asyncio.timeout(START_SECONDS):
                reply = await self._process.stdout.readline()
        except TimeoutError:
            reply = b""
        answer = orjson.loads(reply) if reply else {"error": "it ended or hung before it listened"}
        if "url" not in answer:
            await self.__aexit__()
            raise ConfigError("the embedded Realtime server", answer["error"])
        url: str = answer["url"]
        return url

    async def __aexit__(self, *_: object) -> None:
        os.close(self._lifeline)
        if self._process is None:
            return
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
