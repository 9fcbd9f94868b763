"""Runs the embedded server as a child process, so that its detector and voice take no time from the media path."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog

from gateway.child_process import ChildProcess, ended
from gateway.errors import ConfigError
from gateway.local.script import Script
from gateway.local.server import LocalSettings

START_SECONDS = 30

log = structlog.get_logger("gateway.local")


class LocalProcess:
    """`async with LocalProcess(settings) as url`. Raises ConfigError where the server cannot start.

    When it dies it is started again, on the same port, where the calls of that moment find it.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self._settings, self._url = settings, ""
        self._process: Process | None = None
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

    async def use(self, scripts: Mapping[str, Script]) -> None:
        """Serve these from now on. Raises ConfigError, and all is as it was."""
        before, process = self._settings, self._process
        self._settings = replace(before, scripts=dict(scripts))
        if process is None or self._lifeline < 0:
            return
        try:
            answer = await self._say(process, {"scripts": {name: asdict(one) for name, one in scripts.items()}})
        except OSError:  # it is dying: who follows has them from the start
            return
        if "error" in answer:
            self._settings = before
            raise ConfigError("the embedded Realtime server", answer["error"])
        if not answer:  # it hangs, or is dying: likewise
            log.error("local.hung", pid=process.pid)
            with suppress(ProcessLookupError):
                process.kill()

    async def _say(self, process: Process, what: object) -> dict[str, Any]:
        """One line, and what it answers; empty where it does not. Raises OSError."""
        assert process.stdout is not None
        line = orjson.dumps(what) + b"\n"
        await asyncio.get_running_loop().run_in_executor(None, _write, self._lifeline, line)
        try:
            async with asyncio.timeout(START_SECONDS):
                reply = await process.stdout.readline()
        except TimeoutError:
            reply = b""
        return orjson.loads(reply) if reply else {}

    def _died(self, process: Process) -> None:
        log.error("local.died", pid=process.pid, code=process.returncode)
        self._cut()

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
        answer = await self._say(process, asdict(self._settings))
        if "url" not in answer:
            self._cut()
            await ended(process)
            problem = answer.get("error") or "it ended or hung before it listened"
            raise ConfigError("the embedded Realtime server", problem)
        self._url, self._process = answer["url"], process
        return process


def _write(to: int, data: bytes) -> None:
    """All of it: a pipe takes 64 KB at once. Raises OSError."""
    while data:
        data = data[os.write(to, data) :]
