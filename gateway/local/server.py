"""The embedded Realtime server: sessions behind WebSockets. A process of its own, reached like any other provider."""

from __future__ import annotations

import asyncio
import contextlib
import http
import logging
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import structlog
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from gateway.errors import PortInUse
from gateway.local.detector import Silero
from gateway.local.ears import Ears
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
    """`scripts` by model name: what `?model=` may ask for. With a `key`, clients have to show it."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    scripts: dict[str, Script] = field(default_factory=dict)


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
        if self._model(request.path) not in self._parts:
            known = ", ".join(self._parts)
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"no such model; these are served: {known}\n")
        return None

    def _model(self, path: str) -> str:
        """What `?model=` asks for; where nothing is asked for and there is only one, that."""
        alone = next(iter(self._parts)) if len(self._parts) == 1 else ""
        return parse_qs(urlsplit(path).query).get("model", [alone])[0]

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        model = self._model(connection.request.path)
        session, wake = Session(model, self._parts[model]), asyncio.Event()
        loop = asyncio.get_running_loop()
        speaker = loop.create_task(_speak(connection, session, wake))
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
            speaker.cancel()


async def _speak(connection: ServerConnection, session: Session, wake: asyncio.Event) -> None:
    """Send what the session has to say, when it is due."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionClosed):
        while True:
            wake.clear()
            session.expire(loop.time())
            outbox, session.outbox = session.outbox, []
            for event in outbox:
                await connection.send(event, text=True)
            deadline = session.deadline()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await wake.wait()


def _subprotocol(offered: list[Subprotocol]) -> Subprotocol | None:
    """`realtime` where it is offered; a client that offers none, as most do, is welcome too."""
    return Subprotocol("realtime") if "realtime" in offered else None
