"""HTTP: health, readiness, metrics, and everything under /v1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.middleware.cors import CORSMiddleware

from gateway import __version__
from gateway.api import calls, fleet, hours, openai_sip, openapi, pages, problems, records, voicemails
from gateway.api.auth import LOCAL_HOSTS, Allowance, Keys
from gateway.api.connections import Connection
from gateway.api.guard import Guard
from gateway.api.metrics import Metrics
from gateway.api.models import Health, Ready
from gateway.app import Gateway
from gateway.errors import PortInUse

log = structlog.get_logger("gateway.api")


def build(gateway: Gateway) -> FastAPI:
    """The API of one gateway, guarded."""
    api = FastAPI(
        title="voice-agent-gateway",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
    )
    metrics, http = Metrics(gateway), gateway.settings.http
    gateway.sinks.append(metrics.tell)

    @api.get("/health", tags=["node"], response_model=Health)
    async def get_health() -> Response:
        """200 as long as the process does its work."""
        uptime = round(time.time() - gateway.started_at, 1)
        return Health(version=__version__, uptime_seconds=uptime).respond()

    @api.get(
        "/ready", tags=["node"], response_model=Ready, responses={503: {"model": Ready, "description": "Not now."}}
    )
    async def get_ready() -> Response:
        """200 when calls may be sent here, 503 with the problems otherwise."""
        problems = gateway.problems
        told = Ready(ready=not problems, problems=problems, warnings=gateway.warnings, calls=len(gateway.switchboard))
        return told.respond(503 if problems else 200)

    @api.get("/metrics", tags=["node"], response_class=PlainTextResponse)
    async def get_metrics() -> Response:
        """For Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    keys = Keys(gateway.store, http.admin_key)
    api.include_router(calls.router(gateway))
    api.include_router(fleet.router(gateway, keys))
    api.include_router(hours.router(gateway))
    api.include_router(records.router(gateway))
    api.include_router(voicemails.router(gateway))
    api.include_router(openai_sip.router(gateway))
    pages.install(api)
    openapi.install(api)
    problems.install(api)
    trust_local = http.auth == "auto"
    api.add_middleware(Guard, gateway.store, keys, Allowance(http.rate_limit), trust_local)
    if http.cors_origins:
        api.add_middleware(
            CORSMiddleware, allow_origins=list(http.cors_origins), allow_methods=["*"], allow_headers=["*"]
        )
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
    tls = gateway.settings.http.tls
    options: dict[str, Any] = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key} if tls else {}
    Connection.exempt = frozenset(gateway.settings.http.trusted_proxies)
    proxies = ",".join(gateway.settings.http.trusted_proxies)
    server = _Server(
        uvicorn.Config(
            build(gateway),
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies or None,
            timeout_graceful_shutdown=2,  # for whoever watches without an end
            server_header=False,
            ws="websockets-sansio",
            http=Connection,
            **options,
        )
    )
    task = asyncio.get_running_loop().create_task(server.serve([listener]))
    given = listener.getsockname()[1]
    reachable = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    gateway.http_url = gateway.settings.http.url or f"http{'s' if tls else ''}://{reachable}:{given}"
    await gateway.control.announce()
    if host not in LOCAL_HOSTS and not tls and not proxies:
        log.warning("api.plain_http", url=gateway.http_url, fix="keys travel in the clear: set http.tls, or a proxy")
    try:
        yield given
    finally:
        server.should_exit = True
        await task
        listener.close()
