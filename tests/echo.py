"""The smallest Realtime server: it says back what it hears. `python -m tests.echo PORT`."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def echo(websocket: ServerConnection) -> None:
    async def say(**event: object) -> None:
        await websocket.send(orjson.dumps(event), text=True)

    with contextlib.suppress(ConnectionClosed):  # by the caller, in the middle of a word
        await say(type="session.created", session={"id": "s"})
        async for text in websocket:
            event = orjson.loads(text)
            match event["type"]:
                case "session.update":
                    await say(type="session.updated", session={})
                case "input_audio_buffer.append":
                    place = {"response_id": "r", "item_id": "i", "content_index": 0}
                    await say(type="response.output_audio.delta", **place, delta=event["audio"])


async def main() -> None:
    async with serve(echo, "127.0.0.1", int(sys.argv[1]), compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main())
