"""A program that was written for OpenAI's SIP connector, with OpenAI's own SDK, pointed at a gateway."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, nullcontext

import uvicorn
from fastapi import FastAPI, Request
from openai import AsyncOpenAI

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@asynccontextmanager
async def application(take):
    """`take(client, event)` hears of each call that comes; `client.base_url` is set once the gateway listens."""
    client, tasks = AsyncOpenAI(api_key="not needed here", webhook_secret=SECRET, max_retries=0), []
    app = FastAPI()

    @app.post("/hook")
    async def hook(request: Request):
        event = client.webhooks.unwrap(await request.body(), request.headers)  # checks the signature
        tasks.append(asyncio.create_task(take(client, event)))
        return {}

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
    server.capture_signals = nullcontext
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook", client, tasks
    finally:
        server.should_exit = True
        await serving
        await client.close()
        listener.close()
