"""The Realtime client: a session with a socket. This is the room's door."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import orjson
import structlog
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from gateway.errors import ProviderError, ProviderRefused, ProviderUnreachable
from gateway.realtime.dialects import DIALECTS, MAX_FRAME, SessionConfig
from gateway.realtime.events import Event, Lost, ProviderFault, Ready, Severity
from gateway.realtime.session import Heard, Session
from gateway.realtime.socket import WebSocket, open_socket


@dataclass(frozen=True, slots=True)
class Provider:
    """Where to connect: `url` is ws: or wss:, `key` is secret and never logged."""

    name: str
    url: str
    key: str = ""
    dialect: str = "openai"
    connect_seconds: float = 10.0


class Client:
    """One conversation. Every verb is a plain call; every event comes to `on_event` in the loop turn of its frame."""

    def __init__(self, provider: Provider, config: SessionConfig, on_event: Callable[[Event], None]) -> None:
        self.provider = provider
        self._model = config.model
        self._dialect = DIALECTS[provider.dialect]
        self.session = Session(self._dialect, config)
        self._on_event = on_event
        self._socket: WebSocket | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dropped = 0  # appends that a stalled provider did not take
        self.garbage = 0  # frames that are not JSON objects
        self.log = structlog.get_logger("gateway.realtime")

    async def open(self) -> None:
        """Connect and configure. Raises ProviderUnreachable or ProviderRefused, after which the client is closed."""
        url = self._dialect.url(self.provider.url, self._model)
        try:
            async with asyncio.timeout(self.provider.connect_seconds):
                self._socket = await open_socket(
                    url, self._dialect.headers(self.provider.key), self._text, self._lost, MAX_FRAME
                )
                self._flush()  # what the server's first event asked for, which may come with the handshake
                await self._ready
        except InvalidStatus as error:
            status = error.response.status_code
            fix = {
                401: "check the provider's key",
                403: "check the provider's key and what it may use",
                404: "check the provider's url and the agent's model",
                429: "the provider's limit is reached",
            }.get(status, "")
            refused = status in (400, 401, 403, 404)
            kind = ProviderRefused if refused else ProviderUnreachable
            raise self._error(kind, f"answered the handshake with {status}", fix) from error
        except InvalidURI as error:
            raise self._error(ProviderRefused, "not a ws: or wss: URL", "correct the provider's url") from error
        except InvalidHandshake as error:
            raise self._error(ProviderUnreachable, f"is not a Realtime server: {error}", "check its url") from error
        except TimeoutError as error:
            seconds = self.provider.connect_seconds
            raise self._error(ProviderUnreachable, f"was not ready within {seconds:g} s") from error
        except OSError as error:
            problem = f"cannot be reached: {error.strerror or error}"
            raise self._error(ProviderUnreachable, problem, "check the provider's url") from error
        except ProviderError:
            self.close()
            raise

    def _error(self, kind: type[ProviderError], problem: str, fix: str = "") -> ProviderError:
        self.close()
        return kind(self.provider.name, self.provider.url, problem, fix)

    # verbs

    def append(self, audio: bytes) -> None:
        """Caller audio of the session's format. While the provider does not read, audio is dropped and counted."""
        if self._socket is None:
            return
        if self._socket.stalled:
            self.dropped += 1
            return
        self._socket.send(self.session.append(audio))

    @property
    def unfinished(self) -> bool:
        return self.session.unfinished

    @property
    def busy(self) -> bool:
        return self.session.busy

    def create_response(self, instructions: str = "") -> None:
        self.session.create_response(instructions)
        self._flush()

    def add_text(self, text: str) -> None:
        self.session.add_text(text)
        self._flush()

    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]:
        truncated = self.session.interrupt(heard, by_speech)
        self._flush()
        return truncated

    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None:
        self.session.tool_output(call_id, output, respond)
        self._flush()

    def close(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None

    # from the socket

    def _text(self, data: bytes) -> None:
        try:
            event = orjson.loads(data)
            if not isinstance(event, dict):
                raise ValueError("not an object")
        except ValueError:
            self.garbage += 1
            if self.garbage == 1:
                self.log.warning("realtime.garbage", provider=self.provider.name, frame=data[:80])
            return
        for meaning in self.session.receive(event):
            if self._ready.done():
                self._on_event(meaning)
            else:
                self._settle(meaning)
        self._flush()

    def _settle(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._ready.set_result(None)
        elif isinstance(event, ProviderFault) and event.severity is Severity.FATAL:
            self._ready.set_exception(
                ProviderRefused(
                    self.provider.name, self.provider.url, f"refused the session: {event.message} ({event.code})"
                )
            )

    def _lost(self, code: int, reason: str) -> None:
        self._socket = None
        if self._ready.done():
            self._on_event(Lost(code, reason))
        else:
            problem = f"closed the connection before the session was ready (code {code}{reason and ': ' + reason})"
            self._ready.set_exception(ProviderUnreachable(self.provider.name, self.provider.url, problem))

    def _flush(self) -> None:
        if self._socket is None:
            return
        outbox, self.session.outbox = self.session.outbox, []
        for text in outbox:
            self._socket.send(text)
