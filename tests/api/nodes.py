"""Two nodes on one Redis, each with its API."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from gateway import api
from gateway.app import Gateway
from tests.gatewayd import free_port, running, settings_for
from tests.store.servers import start_server


@dataclass
class Node:
    gateway: Gateway
    events: list
    http: httpx.AsyncClient

    @property
    def id(self) -> str:
        return self.gateway.store.me


@asynccontextmanager
async def two_nodes(folder, agents: dict[str, str], key: str = "", **values: Any):
    """The one that gets the calls, the other one, and the port of their Redis. Clients show `key`."""
    port = free_port()
    redis = await start_server(folder, port)
    try:
        async with AsyncExitStack() as stack:
            nodes = []
            for name in ("one", "two"):
                (folder / name).mkdir()
                redis_url, tapes = f"redis://127.0.0.1:{port}", str(folder / name / "tapes")
                own = {"redis": {"url": redis_url}, "node": name, "recordings": tapes} | values
                settings = settings_for(folder / name, agents, **own)
                gateway, events = await stack.enter_async_context(running(settings))
                http = await stack.enter_async_context(api.serve(gateway))
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{http}", timeout=20, headers=headers)
                nodes.append(Node(gateway, events, await stack.enter_async_context(client)))
            yield *nodes, port
    finally:
        redis.terminate()
        await redis.wait()
