"""Half requests, and too many connections, against a real server."""

import asyncio

import pytest

from gateway import api
from gateway.api import connections
from gateway.api.connections import _is_among
from tests.gatewayd import running, settings_for


async def test_what_is_not_whole_in_time_is_closed_and_what_is_whole_is_served(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    async with (
        running(settings_for(tmp_path, {"eve": "greeting: Hello.\n"})) as (gateway, _),
        api.serve(gateway) as port,
    ):
        whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        halves = [b"", whole[:20], whole[:-2], b"POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"]
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in (*halves, whole)]
        for (_, writer), data in zip(opened, (*halves, whole), strict=True):
            writer.write(data)
        for reader, writer in opened[:-1]:
            answer = await asyncio.wait_for(reader.read(), 5)
            assert b"408 Request Timeout" in answer
            writer.close()
        reader, writer = opened[-1]
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.write(whole[:25])  # a second request on it, which stays half
        rest = await asyncio.wait_for(reader.read(), 5)
        assert b"408 Request Timeout" in rest
        writer.close()
        async with asyncio.timeout(5):
            while connections.Connection.open.total():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("known", "exempt"),
    [
        ((), False),
        (("10.0.0.7",), True),
        (("10.0.0.0/8",), True),
        (("*",), True),
        (("proxy.example", "10.1.0.0/16"), False),
    ],
)
def test_proxies_by_address_and_by_network(known, exempt):
    assert _is_among("10.0.0.7", frozenset(known)) is exempt


async def test_one_address_has_not_all_connections(tmp_path, monkeypatch):
    monkeypatch.setattr(connections, "MAX_OF_ADDRESS", 3)
    async with (
        running(settings_for(tmp_path, {"eve": "greeting: Hello.\n"})) as (gateway, _),
        api.serve(gateway) as port,
    ):
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert [b"429" in await asyncio.wait_for(reader.read(), 5) for reader, _ in opened[3:]] == [True, True]
        reader, writer = opened[0]
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        for _, one in opened:
            one.close()
