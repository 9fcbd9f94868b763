"""Runs the embedded server as a child process, so that its detector and voice take no time from the media path."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict, replace
from urllib.parse import urlsplit

import orjson
import structlog

from gateway.errors import ConfigError
from gateway.local.server import LocalSettings

START_SECONDS = 30
RESTART_SECONDS = 0.5

log = structlog.get_logger("gateway.local")


class LocalProcess:
    """`async with LocalProcess(settings) as url`. Raises ConfigError where the server cannot start.

    When it dies it is started again, on the same port, where the calls of that moment find it.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._lifeline = -1  # the child ends when this end of its standard input closes, by us or with us

    async def __aenter__(self) -> str:
        url = await self._start()
        self._settings = replace(self._settings, port=urlsplit(url).port or 0)
        self._keeper = asyncio.get_running_loop().create_task(self._keep())
        return url

    async def __aexit__(self, *_: object) -> None:
        if self._keeper:
            self._keeper.cancel()
        await self._stop()

    async def _start(self) -> str:
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
            await self._stop()
            raise ConfigError("the embedded Realtime server", answer["error"])
        url: str = answer["url"]
        return url

    async def _keep(self) -> None:
        while self._process is not None:
            code = await self._process.wait()
            log.error("local.died", pid=self._process.pid, code=code)
            os.close(self._lifeline)
            self._lifeline = -1
            await asyncio.sleep(RESTART_SECONDS)
            try:
                await self._start()
            except ConfigError as error:
                log.error("local.not_started", problem=str(error))
                return

    async def _stop(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        if self._process is None:
            return
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
