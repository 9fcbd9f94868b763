"""Events as they happen, to whoever stays on the line for them: server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson
from fastapi.responses import StreamingResponse

from gateway import events
from gateway.app import Gateway
from gateway.errors import StoreUnavailable

KEEPALIVE_SECONDS = 15.0


def stream(events: AsyncGenerator[dict[str, Any], None]) -> StreamingResponse:
    """Server-sent events (WHATWG HTML, section 9.2)."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_sse(events), media_type="text/event-stream", headers=headers)


async def _sse(events: AsyncGenerator[dict[str, Any], None]) -> AsyncIterator[bytes]:
    """With a comment now and then, by which both sides notice that the other has gone."""
    yield b": here\n\n"
    coming: asyncio.Future[dict[str, Any]] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({coming}, timeout=KEEPALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            head = f"id: {event['id']}\n" if "id" in event else ""
            yield f"{head}event: {event['type']}\ndata: ".encode() + orjson.dumps(event) + b"\n\n"
    finally:
        if coming:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)  # what still runs cannot be closed
        await events.aclose()


async def follow(gateway: Gateway, call_id: str, after: str) -> AsyncGenerator[dict[str, Any], None]:
    """A call's events, those of the past first, until it has ended."""
    store, happened = gateway.store, asyncio.Event()

    async def listen() -> None:
        async for event in store.watch.events():
            if event.get("call_id") == call_id:
                happened.set()

    listening = asyncio.get_running_loop().create_task(listen())
    try:
        while True:
            happened.clear()
            found: list[dict[str, Any]] = []
            with contextlib.suppress(StoreUnavailable):
                found = await store.calls.events(call_id, after, 500)
            for event in found:
                after = event["id"]
                yield {"call_id": call_id, **event}
                if event["type"] == events.Ended.type:
                    return
            if not found:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2.0):
                        await happened.wait()
    finally:
        listening.cancel()
