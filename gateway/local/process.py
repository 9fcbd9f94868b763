"""Runs the embedded server as a child process, so that its detector and voice take no time from the media path."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from dataclasses import asdict, replace
from urllib.parse import urlsplit

import orjson
import structlog

from gateway.child_process import ChildProcess, ended
from gateway.errors import ConfigError
from gateway.local.server import LocalSettings

START_SECONDS = 30

log = structlog.get_logger("gateway.local")


class LocalProcess:
    """`async with LocalProcess(settings) as url`. Raises ConfigError where the server cannot start.

    When it dies it is started again, on the same port, where the calls of that moment find it.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self._settings, self._url = settings, ""
        self._lifeline = -1  # the child ends when this end of its standard input closes, by us or with us
        self._child = ChildProcess(
            self._start, self._died, lambda error: log.error("local.not_started", problem=str(error))
        )

    async def __aenter__(self) -> str:
        await self._child.start()
        self._settings = replace(self._settings, port=urlsplit(self._url).port or 0)
        return self._url

    async def __aexit__(self, *_: object) -> None:
        await self._child.end(lambda process: self._cut())

    def _died(self, process: Process) -> None:
        log.error("local.died", pid=process.pid, code=process.returncode)
        self._cut()

    def _not_started(self, error: ConfigError) -> None:
        log.error("local.not_started", problem=str(error))

    def _cut(self) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    async def _start(self) -> Process:
        theirs, self._lifeline = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "gateway.local",
                stdin=theirs, stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C reaches the gateway, which then ends its child
            )  # fmt: skip
        finally:
            os.close(theirs)
        assert process.stdout is not None
        line = orjson.dumps(asdict(self._settings)) + b"\n"
        await asyncio.get_running_loop().run_in_executor(None, os.write, self._lifeline, line)
        try:
            async with asyncio.timeout(START_SECONDS):
                reply = await process.stdout.readline()
        except TimeoutError:
            reply = b""
        answer = orjson.loads(reply) if reply else {"error": "it ended or hung before it listened"}
        if "url" not in answer:
            self._cut()
            await ended(process)
            raise ConfigError("the embedded Realtime server", answer["error"])
        self._url = answer["url"]
        return process
