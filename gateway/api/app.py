"""HTTP: health, readiness, metrics, and the calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Response

from gateway import __version__
from gateway.api.metrics import Metrics
from gateway.app import Gateway
from gateway.errors import PortInUse, StoreUnavailable


def build(gateway: Gateway) -> FastAPI:
    api = FastAPI(title="voice-agent-gateway", version=__version__)
    metrics = Metrics(gateway)
    gateway.sinks.append(metrics.tell)

    @api.get("/health")
    async def health() -> dict[str, Any]:
        """200 as long as the process does its work."""
        uptime = round(time.time() - gateway.started_at, 1)
        return {"status": "ok", "version": __version__, "uptime_seconds": uptime}

    @api.get("/ready")
    async def ready(response: Response) -> dict[str, Any]:
        """200 when calls may be sent here, 503 with the problems otherwise."""
        problems = gateway.problems
        response.status_code = 503 if problems else 200
        return {"ready": not problems, "problems": problems, "calls": len(gateway.switchboard)}

    @api.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @api.get("/v1/calls")
    async def calls(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> dict[str, Any]:
        """Calls in progress and the latest that ended. While Redis is away: those in progress on this node."""
        live = {call.facts.call_id: call.record() for call in gateway.switchboard.calls}
        try:
            stored = await gateway.store.calls.recent(limit)
        except StoreUnavailable:
            stored = []
        known = {record["call_id"]: record for record in stored} | live
        newest = sorted(known.values(), key=lambda record: record["started_at"], reverse=True)
        return {"object": "list", "data": newest[:limit]}

    @api.get("/v1/calls/{call_id}")
    async def one(call_id: str) -> dict[str, Any]:
        """A call's record with its events and, in `transcript`, what was said."""
        live = gateway.switchboard.find(call_id)
        try:
            record = await gateway.store.calls.get(call_id)
        except StoreUnavailable as error:
            if live is None:
                raise HTTPException(503, str(error)) from error
            record = None
        if record is None and live is None:
            raise HTTPException(404, f"there is no call {call_id}")
        record = {"events": [], **(record or {}), **(live.record() if live else {})}
        record["transcript"] = [
            {"at": event["at"], "role": event["data"]["role"], "text": event["data"]["text"]}
            for event in record["events"]
            if event["type"] == "transcript"
        ]
        return record

    return api


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs the loop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve(gateway: Gateway) -> AsyncIterator[int]:
    """Listens; gives the port. Raises PortInUse."""
    host, port = gateway.settings.http.host, gateway.settings.http.port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortInUse("HTTP", host, port, "--http-port or GATEWAY_HTTP_PORT") from error
    server = _Server(uvicorn.Config(build(gateway), log_config=None, access_log=False, lifespan="off"))
    task = asyncio.get_running_loop().create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()
