"""An agent that says one tone and notes what it hears; and which tone a signal holds."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator

import numpy as np
import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


@contextlib.asynccontextmanager
async def tone_agent(hz: float) -> AsyncIterator[tuple[str, bytearray]]:
    """Its URL, and the PCM16 at 24 kHz that it has heard; it says 3 s of `hz` as soon as it hears anything."""
    heard, talking = bytearray(), asyncio.Event()

    async def agent(websocket: ServerConnection) -> None:
        async def say(**event: object) -> None:
            await websocket.send(orjson.dumps(event), text=True)

        await say(type="session.created", session={"id": "s"})
        said = (9000 * np.sin(2 * np.pi * hz * np.arange(72000) / 24000)).astype("<i2").tobytes()
        place = {"response_id": "r", "item_id": "i", "content_index": 0}
        with contextlib.suppress(ConnectionClosed):
            async for text in websocket:
                event = orjson.loads(text)
                if event["type"] == "session.update":
                    await say(type="session.updated", session={})
                elif event["type"] == "input_audio_buffer.append":
                    heard.extend(b64decode(event["audio"]))
                    if not talking.is_set():
                        talking.set()
                        await say(type="response.output_audio.delta", delta=b64encode(said).decode(), **place)

    async with serve(agent, "127.0.0.1", 0) as listener:
        port = next(iter(listener.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/realtime", heard


def strongest(samples: np.ndarray, hz: int, highest: float = 3400) -> tuple[float, float]:
    """The frequency that holds most of a signal, and its share of the power between 200 Hz and `highest`."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    place = np.fft.rfftfreq(len(samples), 1 / hz)
    band = (place > 200) & (place < highest)
    peak = place[band][power[band].argmax()]
    near = np.abs(place - peak) < 15
    return float(peak), float(power[near].sum() / power[band].sum())
