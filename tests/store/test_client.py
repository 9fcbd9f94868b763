"""Redis behind Sentinel, and a Cluster: real ones."""

import asyncio
import sys

import pytest

from gateway.errors import ConfigError
from gateway.events import CallEvent
from gateway.store import StoreSettings, open_store
from gateway.store.client import check_url, client_of, without_password
from gateway.store.connection import server_executable
from tests.gatewayd import free_port
from tests.store.servers import cluster, sentinel, start_server

needs_redis = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


async def used(url):
    """Every kind of key and of script."""
    async with open_store(StoreSettings(url, node="one")) as store:
        calls, node = store.calls, store.me
        calls.entries = lambda event, record: [{"for": "x", "call_id": event.call_id, "body": "{}"}]
        for call_id in ("a", "b"):
            calls.write(CallEvent(call_id, 100.0, "answered"), {"call_id": call_id, "started_at": 100.0, "node": node})
        calls.write(CallEvent("b", 101.0, "ended"), {"call_id": "b", "started_at": 100.0, "ended_at": 101.0})
        await store.writer.flush(10)
        assert len(store.writer) == 0
        assert [(await store.nodes.beat({"calls": 1}))[0] for _ in range(2)] == [False, True]
        assert [one["id"] for one in await store.nodes.alive()] == [node]
        assert await store.nodes.sweep(lambda event, record: []) == []
        assert {one["call_id"] for one in await calls.recent(9)} == {"a", "b"}
        assert [one["type"] for one in await calls.events("b", "", 9)] == ["answered", "ended"]

        async def handle(command):
            return {"echo": command["verb"]}

        serving = asyncio.create_task(store.commands.serve(node, handle))
        await asyncio.sleep(0.2)
        assert await store.commands.ask(node, {"verb": "sing"}, 5.0) == {"echo": "sing"}
        serving.cancel()
        assert await store.outbox.lead()
        assert len(await store.outbox.read("", 10)) == 3
        entry_id, entry = (await store.outbox.read("", 1))[0]
        await store.outbox.give_up(entry_id, entry, "nobody")
        assert await store.outbox.lengths() == (2, 1)
        assert await store.access.begin("k", "r") is None


@needs_redis
async def test_a_master_that_sentinel_knows(tmp_path):
    async with sentinel(tmp_path) as (host, name):
        await used(f"redis+sentinel://{host}/{name}")


@needs_redis
async def test_a_cluster(tmp_path):
    """In a process of its own, for redis-py leaves the connections of nodes that it replaced to the collector."""
    program = "import asyncio, sys; from tests.store.test_client import used; asyncio.run(used(sys.argv[1]))"
    async with cluster(tmp_path) as hosts:
        command = sys.executable, "-W", "ignore", "-c", program, f"redis+cluster://{hosts}"
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
        assert await child.wait() == 0


@needs_redis
async def test_a_password_is_used_and_not_told(tmp_path):
    port = free_port()
    process = await start_server(tmp_path, port, "--requirepass", "hush!")
    url = f"redis://:hush%21@127.0.0.1:{port}"
    await used(url)
    process.terminate()
    await process.wait()
    assert "hush" not in without_password(url)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://h", "scheme"),
        ("redis+sentinel://h:26379", "the name of the master"),
        ("redis+cluster://", "no host"),
        ("redis+cluster://h:x", "invalid literal"),
    ],
)
def test_a_url_that_is_none(url, problem):
    with pytest.raises(ConfigError, match=problem):
        client_of(url, 1.0)


def test_passwords_are_hidden():
    assert without_password("redis://ann:secret@h:1/0") == "redis://ann:***@h:1/0"
    assert without_password("redis+sentinel://:x@h:1,k:2/m") == "redis+sentinel://:***@h:1,k:2/m"
    assert without_password("unix:///tmp/x") == "unix:///tmp/x"


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h:6379/2", "rediss://user:pass@h:6380", "unix:///run/redis.sock", "redis://[::1]:6379/0",
        "redis+sentinel://a:26379,b/main", "redis+sentinel://a/main/3", "redis+cluster://a:7000,b:7001",
    ],
)  # fmt: skip
def test_urls_that_can_be(url):
    check_url(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:6379", "has to begin with redis://"), ("http://h", "not http://"), ("redis://", "names no host"),
        ("redis://h:x", "its port"), ("redis://h:99999", "its port"), ("redis://h/x", "the database is a number"),
        ("unix://", "names no socket"), ("redis+sentinel://a:26379", "the name of the master"),
        ("redis+sentinel://a/main/x", "the database is a number"), ("redis+cluster://a:x", "its port"),
        ("redis+cluster://:7000", "no host in it"),
    ],
)  # fmt: skip
def test_urls_that_cannot_be(url, says):
    with pytest.raises(ValueError, match=says):
        check_url(url)
