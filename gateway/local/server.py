"""The embedded Realtime server: sessions behind WebSockets. A process of its own, reached like any other provider."""

from __future__ import annotations

import asyncio
import contextlib
import http
import itertools
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.errors import ConfigError, PortInUse, plain
from gateway.local.chat import Chat, ChatError, think
from gateway.local.detector import Silero
from gateway.local.ears import Ears
from gateway.local.faults import GARBAGE, Faults, parse
from gateway.local.mouth import mouth
from gateway.local.script import Script
from gateway.local.session import Parts, Session
from gateway.web import http_client

PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime", "/api/v1/realtime/session"})
MAX_EVENT = 16 * 1024 * 1024  # bytes: the 15 MiB of an append that OpenAI takes, and its envelope

log = structlog.get_logger("gateway.local")

_quiet = logging.getLogger("gateway.local.websockets")  # the library logs a traceback for clients that go away early
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """`scripts` by model name: what `?model=` may ask for. With a `key`, clients have to show it.

    Sessions end after `session_seconds`, as those of providers do. `certificate` and `certificate_key` are PEM files:
    with them the server is reached by wss: and https:.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)
    session_seconds: float = 3600.0
    certificate: str = ""
    certificate_key: str = ""


class LocalServer:
    """Listens, and runs a session for each client."""

    def __init__(self, settings: LocalSettings) -> None:
        """Raises ConfigError where a script cannot be served."""
        self._settings = settings
        self._parts: dict[str, Parts] = {}
        self.use(settings.scripts)
        self._server: Server | None = None

    def use(self, scripts: Mapping[str, Script]) -> None:
        """Serve these from now on; sessions in progress stay as they are. Raises ConfigError, and all is as it was."""
        parts = {}
        for name, script in scripts.items():
            known = self._parts.get(name)
            if known and known.script == script:
                parts[name] = known
            else:
                parts[name] = Parts(script, Ears(name, script).understand, mouth().speak, Silero)
        self._parts = parts

    async def listen(self) -> str:
        """The URL to connect to. Raises PortInUse, ConfigError."""
        host, port, tls = self._settings.host, self._settings.port, self._tls()
        try:
            self._server = await serve(
                self._serve,
                host,
                port,
                process_request=self._admit,
                select_subprotocol=lambda _, offered: _subprotocol(list(offered)),
                logger=_quiet,
                max_size=MAX_EVENT,
                compression=None,
                ssl=tls,
            )
        except OSError as error:
            raise PortInUse("the embedded Realtime server", host, port, "its port") from error
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"{'wss' if tls else 'ws'}://{host}:{port}/v1/realtime"

    def _tls(self) -> ssl.SSLContext | None:
        if not self._settings.certificate:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._settings.certificate, self._settings.certificate_key or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                "--certificate", f"{self._settings.certificate} cannot be used: {plain(error)}"
            ) from error
        return context

    async def close(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Path, key and model, before the handshake."""
        parts = urlsplit(request.path)
        models = parts.path.rstrip("/").rpartition("/v1/models")
        if parts.path not in PATHS and not models[1]:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such path: {parts.path}\n")
        if self._settings.key and self._settings.key not in _keys(request):
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Incorrect API key provided\n")
        if models[1]:
            return self._models(connection, models[2].lstrip("/"))
        try:
            model, faults = self._model(request.path)
        except (ValueError, KeyError) as error:
            return connection.respond(http.HTTPStatus.BAD_REQUEST, f"{error}\n")
        if status := faults.get("refuse"):
            return connection.respond(http.HTTPStatus(int(status)), "as was asked for\n")
        if model not in self._parts:
            known = ", ".join(self._parts)
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such model; these are served: {known}\n")
        return None

    def _models(self, connection: ServerConnection, wanted: str) -> Response:
        """`GET /v1/models`, which some clients ask for first."""
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "voice-agent-gateway"} for name in self._parts
        ]
        found: Any = {"object": "list", "data": rows}
        if wanted:
            found = next((row for row in rows if row["id"] == wanted), None)
        if found is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such model: {wanted}\n")
        response = connection.respond(http.HTTPStatus.OK, orjson.dumps(found).decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = "application/json"
        return response

    def _model(self, path: str) -> tuple[str, Faults]:
        """What `?model=` asks for; where nothing is asked for and there is only one, that. Raises ValueError."""
        query = parse_qs(urlsplit(path).query)
        anybody = len(self._parts) == 1 or query.get("intent") == ["transcription"]
        return parse(query.get("model", [next(iter(self._parts)) if anybody and self._parts else ""])[0])

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        model, faults = self._model(connection.request.path)
        longest = faults.get("expire") or self._settings.session_seconds
        query = parse_qs(urlsplit(connection.request.path).query)
        kind = "transcription" if query.get("intent") == ["transcription"] else "realtime"
        session, wake = Session(model, self._parts[model], time.time() + longest, kind), asyncio.Event()
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(_speak(connection, session, wake, faults, self._parts[model].script.chat)),
            loop.create_task(_expire(connection, session, wake, longest)),
            *(loop.create_task(_fail(connection, session, wake, *fault)) for fault in faults.wanted.items()),
        ]
        try:
            async for text in connection:
                session.receive(text, loop.time())
                wake.set()
        except ConnectionClosed:
            pass
        except Exception:  # boundary: a fault in one session touches no other
            log.exception("local.bug", model=model)
            await connection.close(1011, "internal error")
        finally:
            for task in tasks:
                task.cancel()


async def _expire(connection: ServerConnection, session: Session, wake: asyncio.Event, seconds: float) -> None:
    await asyncio.sleep(seconds)
    reason = f"Your session hit the maximum duration of {seconds:g} seconds."
    session.tell_error("invalid_request_error", "session_expired", reason)
    wake.set()
    await asyncio.sleep(0.05)  # for it to be sent
    await connection.close(1001, reason)


async def _fail(connection: ServerConnection, session: Session, wake: asyncio.Event, kind: str, value: float) -> None:
    """What is asked for by the model's name, and is not a matter of sending."""
    with contextlib.suppress(ConnectionClosed):
        if kind == "close":
            await asyncio.sleep(value)
            connection.transport.abort()
        elif kind == "error":
            await asyncio.sleep(value)
            session.tell_error("server_error", "server_error", "The server had an error while processing your request.")
            wake.set()
        elif kind == "garbage":
            for text in itertools.cycle(GARBAGE):
                await asyncio.sleep(value)
                await connection.send(text)


async def _think(
    session: Session, wake: asyncio.Event, chat: Chat | None, response_id: str, body: dict[str, Any]
) -> None:
    """Have an answer found elsewhere, and said as it comes."""
    assert chat is not None
    loop, calls, problem = asyncio.get_running_loop(), tuple[tuple[str, dict[str, Any]], ...](), ""
    try:
        async with http_client() as client:
            async for thought in think(chat, body, client):
                calls = thought.calls
                if thought.sentence:
                    session.say(response_id, thought.sentence, loop.time())
                    wake.set()
    except ChatError as error:
        problem = str(error)
        log.warning("local.chat_failed", problem=problem)
    session.said_all(response_id, calls, problem, loop.time())
    wake.set()


async def _speak(
    connection: ServerConnection, session: Session, wake: asyncio.Event, faults: Faults, chat: Chat | None
) -> None:
    """Send what the session has to say, when it is due."""
    loop = asyncio.get_running_loop()
    began, stall, slow = loop.time(), faults.get("stall"), faults.get("slow")
    thinking: set[asyncio.Task[None]] = set()
    try:
        while True:
            wake.clear()
            session.expire(loop.time())
            thoughts, session.thoughts = session.thoughts, []
            for response_id, body in thoughts:
                task = loop.create_task(_think(session, wake, chat, response_id, body))
                thinking.add(task)
                task.add_done_callback(thinking.discard)
            outbox, session.outbox = session.outbox, []
            for event in outbox:
                if slow:
                    await asyncio.sleep(slow)
                if stall is None or loop.time() - began < stall:
                    await connection.send(event, text=True)
            deadline = session.deadline()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await wake.wait()
    except ConnectionClosed:
        pass
    finally:
        for task in thinking:  # nobody is there to hear it
            task.cancel()


def _subprotocol(offered: list[Subprotocol]) -> Subprotocol | None:
    """`realtime` where it is offered; a client that offers none, as most do, is welcome too."""
    return Subprotocol("realtime") if "realtime" in offered else None


IN_SUBPROTOCOL = "openai-insecure-api-key."
"""Before a key among the subprotocols, for browsers cannot set headers of a WebSocket."""


def _keys(request: Request) -> list[str]:
    """All that a client shows as its key, in each of the ways that clients have."""
    offered = [one.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for one in value.split(",")]
    return [
        request.headers.get("Authorization", "").partition(" ")[2],
        request.headers.get("api-key", ""),
        *(one.removeprefix(IN_SUBPROTOCOL) for one in offered if one.startswith(IN_SUBPROTOCOL)),
    ]
