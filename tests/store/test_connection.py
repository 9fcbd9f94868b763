"""A real Redis, ended and brought back for real."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError, StoreUnavailable
from gateway.events import CallEvent
from gateway.store import StoreSettings, connection, open_store
from gateway.store.connection import server_executable

RECORD = {"call_id": "call_1", "started_at": 1.0}

needs_redis = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def until(condition, seconds=15):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


@needs_redis
async def test_the_embedded_redis_comes_back_with_what_it_knew():
    async with open_store(StoreSettings()) as store:
        await until(lambda: store.available)
        store.calls.write(CallEvent("call_1", 1.0, "incoming"), RECORD)
        await store.writer.flush(5)
        pid = (await store._redis.info("server"))["process_id"]
        os.kill(pid, signal.SIGKILL)
        store.calls.write(CallEvent("call_1", 2.0, "answered"), {**RECORD, "answered_at": 2.0})
        await until(lambda: not store.available)
        with pytest.raises(StoreUnavailable, match=r"redis\.sock"):
            await store.calls.get("call_1")
        await until(lambda: store.available)
        record = await store.calls.get("call_1")
        assert record is not None
        assert [event["type"] for event in record["events"]] == ["incoming", "answered"]
        assert (await store._redis.info("server"))["process_id"] != pid


async def test_the_stand_in_in_memory_knows_and_lists_calls(monkeypatch):
    pytest.importorskip("fakeredis", reason="its place is taken by a Redis in a wheel")
    monkeypatch.setattr(connection, "server_executable", lambda: None)
    async with open_store(StoreSettings()) as store:
        await until(lambda: store.available)
        store.calls.write(CallEvent("call_1", 1.0, "incoming"), RECORD)
        await store.writer.flush(5)
        (record,), _ = await store.calls.page(None, "", 10)
        assert record["call_id"] == "call_1"


async def test_a_redis_that_is_away_is_no_error():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}"
        async with open_store(StoreSettings(url)) as store:
            store.calls.write(CallEvent("call_1", 1.0, "incoming"), RECORD)
            await asyncio.sleep(0.05)
            assert not store.available
            assert len(store.writer) == 5
            store._redis.connection_pool.connection_kwargs["port"] = 1  # nothing listens there either
            with pytest.raises(StoreUnavailable):
                await store.calls.recent(5)
            store.writer.flush = lambda seconds: asyncio.sleep(0)  # nothing to wait for at the end


async def test_a_url_that_is_none():
    with pytest.raises(ConfigError, match=r"redis\.url"):
        async with open_store(StoreSettings("http://localhost")):
            pass


@needs_redis
async def test_an_embedded_redis_ends_with_a_gateway_that_is_killed():
    program = (
        "import asyncio\nfrom gateway.store import StoreSettings, open_store\n"
        "async def main():\n"
        "    async with open_store(StoreSettings()) as store:\n"
        "        print('pid', (await store._redis.info('server'))['process_id'], flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    while not (line := await child.stdout.readline()).startswith(b"pid"):
        pass
    pid = int(line.split()[1])
    os.kill(pid, 0)
    child.kill()
    await child.wait()

    def gone():
        try:
            return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    await until(gone)
