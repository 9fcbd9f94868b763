import asyncio

from websockets.asyncio.server import serve

from gateway.realtime.openai import socket as module
from gateway.realtime.openai.socket import open_socket


async def test_messages_in_pieces_and_large_ones_arrive_whole():
    got, closed = [], asyncio.get_running_loop().create_future()

    async def server(websocket):
        await websocket.send(["first ", "second ", "third"])  # one message in three frames
        await websocket.send("x" * 500_000)
        for _ in range(5):
            await websocket.send(await websocket.recv())
        await websocket.close(1000, "done")

    async with serve(server, "127.0.0.1", 0) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        one = await open_socket(
            f"ws://127.0.0.1:{port}/", {"X-A": "1"}, got.append, lambda *why: closed.set_result(why), 2**20
        )
        for text in (b"there and back", b"y" * 125, b"y" * 126, b"y" * 65535, b"y" * 65536):
            one.send(text)
        assert await asyncio.wait_for(closed, 5) == (1000, "done")
    assert [len(text) for text in got] == [18, 500_000, 14, 125, 126, 65535, 65536]
    assert got[0] == b"first second third"
    assert not one.stalled


async def test_a_path_that_is_dead_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "PING_SECONDS", 0.05)
    closed = asyncio.get_running_loop().create_future()

    over = asyncio.Event()

    async def dead(websocket):
        websocket.transport.pause_reading()  # no pong will come
        await over.wait()

    async with serve(dead, "127.0.0.1", 0, close_timeout=0.1) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        await open_socket(f"ws://127.0.0.1:{port}/", {}, lambda _: None, lambda *why: closed.set_result(why), 2**20)
        code, _ = await asyncio.wait_for(closed, 5)
        assert code == 1006
        over.set()
        listener.close(close_connections=True)
