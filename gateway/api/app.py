"""HTTP: health, readiness, metrics, and the calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import FastAPI, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway import __version__
from gateway.api.metrics import Metrics
from gateway.app import Gateway
from gateway.bridge import DialOrder
from gateway.errors import ConfigError, Draining, NoSuchAgent, NoSuchTrunk, PortInUse, SipParseError, StoreUnavailable
from gateway.sip import Order


class RecordingAction(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action: Literal["start", "pause", "resume", "stop"]


class AgentUpdate(BaseModel):
    """Another `agent`, other `settings` (as in an agent's file), or both."""

    model_config = ConfigDict(extra="forbid")
    agent: str = ""
    settings: dict[str, Any] = {}


class NewCall(BaseModel):
    """`to` is a number at the trunk or a SIP URI; `variables` are for the agent's texts, as {{var.NAME}}."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=200)
    agent: str
    trunk: str = ""
    caller_id: str = Field(default="", max_length=200)
    ring_seconds: float = Field(default=0.0, ge=0, le=600)
    headers: dict[str, str] = {}
    variables: dict[str, str] = {}
    anonymous: bool = False


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

    @api.post("/v1/calls", status_code=202)
    async def dial(body: NewCall) -> dict[str, Any]:
        """Call somebody. Answers at once, with the call's id; the record tells what becomes of it."""
        try:
            trunk = gateway.switchboard.trunk(body.trunk)
            headers = tuple(body.headers.items())
            order = Order(body.to, trunk, body.caller_id, headers, body.ring_seconds, body.anonymous)
            call_id = gateway.switchboard.dial(DialOrder(body.agent, order, dict(body.variables)))
        except (SipParseError, NoSuchAgent, NoSuchTrunk) as error:
            raise HTTPException(422, error.problem if isinstance(error, SipParseError) else str(error)) from error
        except Draining as error:
            raise HTTPException(503, str(error)) from error
        return {"call_id": call_id}

    @api.delete("/v1/calls/{call_id}", status_code=202)
    async def hang_up(call_id: str) -> dict[str, Any]:
        """End a call of this node."""
        if not gateway.switchboard.hang_up(call_id):
            raise HTTPException(404, f"there is no call {call_id} in progress here")
        return {"call_id": call_id}

    @api.post("/v1/calls/{call_id}/recording", status_code=202)
    async def record(call_id: str, body: RecordingAction) -> dict[str, Any]:
        """Start, pause, resume or stop the recording of a call of this node."""
        problem = gateway.switchboard.tape(call_id, body.action)
        if problem is None:
            raise HTTPException(404, f"there is no call {call_id} in progress here")
        if problem:
            raise HTTPException(409, problem)
        return {"call_id": call_id}

    @api.post("/v1/calls/{call_id}/update", status_code=202)
    async def update(call_id: str, body: AgentUpdate) -> dict[str, Any]:
        """Give a call of this node another agent, or its agent other settings."""
        try:
            found = gateway.switchboard.update(call_id, body.agent, body.settings)
        except (NoSuchAgent, ConfigError) as error:
            raise HTTPException(422, str(error)) from error
        if not found:
            raise HTTPException(404, f"there is no call {call_id} in progress here")
        return {"call_id": call_id}

    @api.get("/v1/trunks")
    async def trunks() -> dict[str, Any]:
        """Who may call and be called, how many calls there are, and whether we are registered."""
        agent = gateway.switchboard.user_agent
        known = agent.core.trunks
        rows = []
        for trunk in known.trunks:
            row = {"name": trunk.name, "calls": known.calls(trunk), "max_calls": trunk.max_calls}
            if registration := agent.registrations.get(trunk.name):
                row |= {"registered": not registration.problem, "problem": registration.problem}
            rows.append(row)
        return {"object": "list", "data": rows}

    @api.get("/v1/calls/{call_id}")
    async def one(call_id: str) -> dict[str, Any]:
        """A call's record with its events and, in `transcript`, what was said."""
        live = gateway.switchboard.record(call_id)
        try:
            record = await gateway.store.calls.get(call_id)
        except StoreUnavailable as error:
            if live is None:
                raise HTTPException(503, str(error)) from error
            record = None
        if record is None and live is None:
            raise HTTPException(404, f"there is no call {call_id}")
        record = {"events": [], **(record or {}), **(live or {})}
        record["transcript"] = [
            {"at": event["at"], "role": event["data"]["role"], "text": event["data"]["text"]}
            for event in record["events"]
            if event["type"] == "transcript"
        ]
        return record

    @api.get("/v1/calls/{call_id}/sip")
    async def trace(call_id: str) -> dict[str, Any]:
        """The SIP messages of a call and of its transfers, without credentials, as far as this node remembers them."""
        record = await one(call_id)
        ids = [record["sip_call_id"], *(event["data"].get("sip_call_id", "") for event in record["events"])]
        traced = [item for sip in dict.fromkeys(ids) for item in gateway.switchboard.user_agent.trace.of(sip)]
        return {"object": "list", "data": [asdict(item) for item in sorted(traced, key=lambda item: item.at)]}

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
