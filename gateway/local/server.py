"""The embedded Realtime server: sessions behind WebSockets. A process of its own, reached like any other provider."""

from __future__ import annotations

import asyncio
import contextlib
import http
import itertools
import logging
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.errors import PortInUse
from gateway.local.chat import Chat, ChatError, think
from gateway.local.detector import Silero
from gateway.local.ears import Ears
from gateway.local.faults import GARBAGE, Faults, parse
from gateway.local.mouth import mouth
from gateway.local.script import Script
from gateway.local.session import Parts, Session

PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime", "/api/v1/realtime/session"})
MAX_EVENT = 16 * 1024 * 1024  # bytes: the 15 MiB of an append that OpenAI takes, and its envelope

log = structlog.get_logger("gateway.local")

_quiet = logging.getLogger("gateway.local.websockets")  # the library logs a traceback for clients that go away early
_quiet.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """`scripts` by model name: what `?model=` may ask for. With a `key`, clients have to show it.

    Sessions end after `session_seconds`, as those of providers do.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)
    session_seconds: float = 3600.0


class LocalServer:
    """Listens, and runs a session for each client."""

    def __init__(self, settings: LocalSettings) -> None:
        """Raises ConfigError where a script cannot be served."""
        self._settings = settings
        self._parts = {}
        for name, script in settings.scripts.items():
            ears = Ears(name, script)
            self._parts[name] = Parts(script, ears.understand, mouth().speak, Silero)
        self._server: Server | None = None

    async def listen(self) -> str:
        """The URL to connect to. Raises PortInUse."""
        host, port = self._settings.host, self._settings.port
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
            )
        except OSError as error:
            raise PortInUse("the embedded Realtime server", host, port, "its port") from error
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://{host}:{port}/v1/realtime"

    async def close(self) -> None:
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Path, key and model, before the handshake."""
        parts = urlsplit(request.path)
        if parts.path not in PATHS:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such path: {parts.path}\n")
        given = request.headers.get("Authorization", "").partition(" ")[2] or request.headers.get("api-key", "")
        if self._settings.key and given != self._settings.key:
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "Incorrect API key provided\n")
        try:
            model, faults = self._model(request.path)
        except ValueError as error:
            return connection.respond(http.HTTPStatus.BAD_REQUEST, f"{error}\n")
        if status := faults.get("refuse"):
            return connection.respond(http.HTTPStatus(int(status)), "as was asked for\n")
        if model not in self._parts:
            known = ", ".join(self._parts)
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such model; these are served: {known}\n")
        return None

    def _model(self, path: str) -> tuple[str, Faults]:
        """What `?model=` asks for; where nothing is asked for and there is only one, that. Raises ValueError."""
        alone = next(iter(self._parts)) if len(self._parts) == 1 else ""
        return parse(parse_qs(urlsplit(path).query).get("model", [alone])[0])

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        model, faults = self._model(connection.request.path)
        longest = faults.get("expire") or self._settings.session_seconds
        session, wake = Session(model, self._parts[model], time.time() + longest), asyncio.Event()
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
        except Exception:  # the door: a fault in one session touches no other
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
        async with httpx.AsyncClient() as client:
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
