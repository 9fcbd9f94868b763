"""`python -m gateway.local`: the embedded server as a child process.

One line of JSON on standard input holds the settings; one line on standard output holds `url`, or `error`. Each further
line holds `scripts`, which are served from then on, and is answered by `served`, or `error`. The server ends when its
standard input does, so that it never outlives whoever started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

import orjson

from gateway.errors import GatewayError
from gateway.local.script import Script
from gateway.local.server import LocalServer, LocalSettings


async def serve(line: bytes) -> None:
    given = orjson.loads(line)
    scripts = _scripts(given.pop("scripts"))
    try:
        server = LocalServer(LocalSettings(**given, scripts=scripts))
        answer = {"url": await server.listen()}
    except GatewayError as error:
        _print({"error": str(error)})
        return
    _print(answer)
    while more := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.readline):
        try:
            server.use(scripts := _scripts(orjson.loads(more)["scripts"]))
            _print({"served": ", ".join(scripts)})
        except Exception as error:  # boundary: whatever a script does wrong, the sessions in progress go on
            _print({"error": str(error) if isinstance(error, GatewayError) else repr(error)})
    await server.close()


def _scripts(given: dict[str, Any]) -> dict[str, Script]:
    return {name: Script.from_json(script) for name, script in given.items()}


def _print(answer: dict[str, str]) -> None:
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(sys.stdin.buffer.readline()))
