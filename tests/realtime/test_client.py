"""The client against servers that answer wrongly, over real sockets."""

import asyncio
import http
import time

import orjson
import pytest
from websockets.asyncio.server import serve

from gateway.errors import ProviderRefused, ProviderUnreachable
from gateway.realtime import Client, Lost, Provider, SessionConfig


async def talk(websocket, then=None):
    await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
    await websocket.recv()
    await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
    if then:
        await then(websocket)
    await websocket.wait_closed()


class Server:
    def __init__(self, handler, **options):
        self.handler, self.options = handler, options

    async def __aenter__(self):
        self.server = await serve(self.handler, "127.0.0.1", 0, **self.options)
        return f"ws://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}/v1/realtime"

    async def __aexit__(self, *_):
        self.server.close(close_connections=True)
        await self.server.wait_closed()


def client(url, seconds=5.0, events=None, key=""):
    provider = Provider("acme", url, key, connect_seconds=seconds)
    return Client(provider, SessionConfig(model="m"), (events if events is not None else []).append)


@pytest.mark.parametrize(
    ("status", "kind", "fix"),
    [
        (401, ProviderRefused, "key"), (404, ProviderRefused, "url"), (429, ProviderUnreachable, "limit"),
        (503, ProviderUnreachable, "503"),
    ],
)  # fmt: skip
async def test_a_handshake_that_is_refused(status, kind, fix):
    def refuse(connection, request):
        return connection.respond(http.HTTPStatus(status), "no\n")

    async with Server(talk, process_request=refuse) as url:
        with pytest.raises(kind, match=f"acme at {url}.*{fix}") as caught:
            await client(url, key="hush").open()
        assert "hush" not in str(caught.value)


async def test_a_server_that_closes_at_once():
    async def close(websocket):
        await websocket.close(1013, "cold start")

    async with Server(close) as url:
        with pytest.raises(ProviderUnreachable, match="1013: cold start"):
            await client(url).open()


async def test_a_server_that_never_says_ready():
    async def mute(websocket):
        await websocket.wait_closed()

    async with Server(mute) as url:
        with pytest.raises(ProviderUnreachable, match=r"not ready within 0\.3 s"):
            await client(url, 0.3).open()


async def test_a_server_that_refuses_the_session():
    async def refuse(websocket):
        await websocket.send('{"type":"session.created","session":{"id":"s"}}')
        await websocket.recv()
        await websocket.send('{"type":"error","error":{"code":"invalid_value","message":"unknown voice"}}')
        await websocket.wait_closed()

    async with Server(refuse) as url:
        with pytest.raises(ProviderRefused, match="unknown voice"):
            await client(url).open()


async def test_a_server_that_is_none():
    async def http_only(reader, writer):
        await reader.readline()
        writer.write(b"220 smtp.example ready\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(http_only, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ProviderUnreachable, match=r"acme at .*"):
        await client(f"ws://127.0.0.1:{port}/v1").open()
    server.close()
    await server.wait_closed()
    with pytest.raises(ProviderUnreachable, match="cannot be reached"):
        await client(f"ws://127.0.0.1:{port}/v1").open()
    with pytest.raises(ProviderRefused, match="not a ws: or wss: URL"):
        await client("http://127.0.0.1/v1").open()


async def test_a_socket_that_is_lost_is_told_once_and_garbage_is_passed_over():
    events = []

    async def then(websocket):
        await websocket.send("not json")
        await websocket.send("[1]")
        await websocket.close(1001, "bye")

    async with Server(lambda websocket: talk(websocket, then)) as url:
        one = client(url, events=events)
        await one.open()
        async with asyncio.timeout(5):
            while not events:
                await asyncio.sleep(0.01)
        assert events == [Lost(1001, "bye")]
        assert one.garbage == 2
        one.append(b"x")  # nobody is there: no error


async def test_a_server_that_does_not_read_costs_audio_and_not_memory():
    over = asyncio.Event()

    async def deaf(websocket):
        websocket.transport.pause_reading()
        await over.wait()

    async with Server(lambda websocket: talk(websocket, deaf), close_timeout=0.1) as url:
        one = client(url)
        await one.open()
        deadline = time.monotonic() + 20
        while not one.dropped and time.monotonic() < deadline:
            for _ in range(200):
                one.append(bytes(960))
            await asyncio.sleep(0)
        assert one.dropped > 0
        one.close()
        over.set()


async def test_closing_ourselves_is_not_a_loss():
    events = []
    async with Server(talk) as url:
        one = client(url, events=events)
        await one.open()
        one.close()
        await asyncio.sleep(0.05)
        assert events == []
