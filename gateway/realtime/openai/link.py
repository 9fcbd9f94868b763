"""One session with one provider, on one socket."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Annotated, Any

import orjson
import structlog
from pydantic import Field
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from gateway.document import says
from gateway.errors import ProviderError, ProviderRefused, ProviderUnreachable, plain
from gateway.realtime.conversation import AudioDelta, Event, ProviderFault, Ready, Severity
from gateway.realtime.history import History
from gateway.realtime.openai.dialects import MAX_FRAME, OPENAI, Dialect, SessionConfig
from gateway.realtime.openai.session import HZ, Session
from gateway.realtime.openai.socket import WebSocket, open_socket
from gateway.realtime.openai.updates import differences
from gateway.realtime.pool import Pool, WarmConnection

Convert = Callable[[bytes], bytes]
MakeResampler = Callable[[int, int], Convert]
"""From one rate in Hz to another, PCM16 in pieces of any length."""

BUSY = frozenset({"rate_limit_exceeded", "session_limit_reached", "server_error", "too_many_requests", "overloaded"})
"""Errors of a server that may take a session a moment later."""

AUDIO = frozenset({"response.output_audio.delta", "response.audio.delta"})


@dataclass(frozen=True, slots=True)
class Provider:
    """Where to connect: `url` is ws: or wss:, `key` is secret and never logged.

    A session has to be ready within `connect_seconds`, within `failover_seconds` where another provider can be asked. A
    response of which nothing has come for `response_seconds` is given up with its session. After `max_age_seconds` (0:
    never; None: as the dialect says) a session is renewed when nobody speaks, and `spare_seconds` later in any case.
    So many connections are kept `warm`. `prices` are for a million tokens: text_input, audio_input, cached_input,
    text_output, audio_output.
    """

    name: str
    url: str
    key: str = ""
    dialect: Dialect = OPENAI
    connect_seconds: Annotated[float, says("in which a session has to be ready", gt=0, le=60)] = 10.0
    failover_seconds: Annotated[float, says("the same, where another provider can be asked", gt=0, le=60)] = 3.0
    response_seconds: Annotated[
        float, says("after which a response of which nothing came is given up with its session", gt=0, le=600)
    ] = 10.0
    max_age_seconds: Annotated[
        Annotated[float, Field(ge=0)] | None,
        says("when a session is renewed, as soon as nobody speaks; 0: never; left out: as the dialect says"),
    ] = None
    spare_seconds: float = 240.0
    warm: Annotated[
        int,
        says(
            "connections that are kept open for calls to come, 50 s each; the provider counts them as sessions",
            ge=0,
            le=100,
        ),
    ] = 0
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def longest_seconds(self) -> float:
        return self.dialect.max_age_seconds if self.max_age_seconds is None else self.max_age_seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """A provider, and what is wanted of it."""

    provider: Provider
    config: SessionConfig


async def connect(
    provider: Provider, model: str, on_text: Callable[[bytes], None], on_close: Callable[[int, str], None]
) -> WebSocket:
    """Open a connection and shake hands. Raises what `open_socket` does."""
    url = provider.dialect.url(provider.url, model, f"call-{secrets.token_hex(8)}")
    return await open_socket(url, provider.dialect.headers(provider.key), on_text, on_close, MAX_FRAME)


class Link:
    """`on_event` hears what the session means, in the loop turn of its frame; `on_end` once why it ended afterwards."""

    def __init__(
        self,
        choice: Choice,
        history: History,
        on_event: Callable[[Event], None],
        on_end: Callable[[Link, str], None],
        pool: Pool | None = None,
        resampler: MakeResampler | None = None,
    ) -> None:
        self._pool, self._resampler = pool, resampler
        self._to_server: Convert | None = None  # where its rates are others than were asked for
        self._from_server: Convert | None = None
        self._gone = ""  # why it ended, once it has
        self.mute = False  # it was given up because nothing came
        self.provider = choice.provider
        self._dialect = self.provider.dialect
        self.session = Session(self._dialect, choice.config, history)
        self._on_event, self._on_end = on_event, on_end
        self._socket: WebSocket | None = None
        self.tap: Callable[[dict[str, Any]], None] | None = None  # sees what the server says, but for audio
        self.was_warm = False  # its connection waited before it was needed
        self._closed = False
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._now = loop.time
        self.began_at = self.opened_at = self.heard_at = self._now()  # when the latest event came
        self.dropped = 0  # appends that a stalled provider did not take
        self.garbage = 0  # frames that are no events
        self.log = structlog.get_logger("gateway.realtime")

    async def open(self, seconds: float) -> None:
        """Connect and configure. Raises ProviderUnreachable or ProviderRefused, after which the link is closed."""
        try:
            async with asyncio.timeout(seconds):
                warm = self._warm()
                if warm and warm.socket:
                    self._socket = warm.socket
                    self._socket.hand_over(self._text, self._lost)
                    for text in warm.frames:
                        self._text(text)
                else:
                    self._socket = await connect(self.provider, self.config.model, self._text, self._lost)
                self.flush()  # what the server's first event asked for, which may come with the handshake
                await self._ready
                if self._gone:  # in the same read as the word that it was ready
                    raise self._error(ProviderUnreachable, f"{self._gone} as soon as the session was ready")
                self._adapt()
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
            found = self._error(kind, f"answered the handshake with {status}", fix)
            if isinstance(found, ProviderRefused):
                found.account = status in (401, 403)
            elif isinstance(found, ProviderUnreachable):
                found.busy = status == 429 or status >= 500
                found.retry_after = _retry_after(error.response.headers.get("Retry-After") or "")
            raise found from error
        except InvalidURI as error:
            raise self._error(ProviderRefused, "not a ws: or wss: URL", "correct the provider's url") from error
        except InvalidHandshake as error:
            raise self._error(ProviderUnreachable, f"is not a Realtime server: {error}", "check its url") from error
        except TimeoutError as error:
            raise self._error(ProviderUnreachable, f"was not ready within {seconds:g} s") from error
        except OSError as error:
            problem = f"cannot be reached: {plain(error)}"
            raise self._error(ProviderUnreachable, problem, "check the provider's url") from error
        except (ProviderError, asyncio.CancelledError):
            self.close()
            raise

    def _warm(self) -> WarmConnection | None:
        """A connection that was opened before it was needed."""
        if self._pool is None or not self.provider.warm:
            return None
        open_one = partial(connect, self.provider, self.config.model)
        warm = self._pool.take(f"{self.provider.name} {self.config.model}", self.provider.warm, open_one)
        self.was_warm = warm is not None
        return warm

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
        self._socket.send(self.session.append(self._to_server(audio) if self._to_server else audio))

    def _adapt(self) -> None:
        """To rates that the server has instead of those that it was asked for."""
        session, asked = self.session, HZ[self.config.audio]
        if self._resampler and session.input_hz != asked:
            self._to_server = self._resampler(asked, session.input_hz)
        if self._resampler and session.output_hz != asked:
            self._from_server = self._resampler(session.output_hz, asked)
        if self._to_server or self._from_server:
            rates = {"input_hz": session.input_hz, "output_hz": session.output_hz}
            self.log.warning("realtime.other_rate", provider=self.provider.name, asked_hz=asked, **rates)

    def probe(self) -> None:
        """Ask a server that says nothing for a sign of life."""
        self.session.probe()
        self.flush()

    @property
    def config(self) -> SessionConfig:
        """What was asked for last."""
        return self.session.updates.wanted

    def update(self, config: SessionConfig) -> bool:
        """Other settings from now on; False where they cannot be changed within a session."""
        if not differences(self.config, config) & (self._dialect.takes | {"model", "audio"}) <= self._dialect.changes:
            return False
        self.session.update(config)
        self.flush()
        return True

    @property
    def stalled(self) -> bool:
        """The provider does not read what is sent."""
        return self._socket is not None and self._socket.stalled

    def flush(self) -> None:
        """Send what the session has put on its outbox."""
        if self._socket is None:
            return
        outbox, self.session.outbox = self.session.outbox, []
        for text in outbox:
            self._socket.send(text)

    def close(self) -> None:
        self._closed = True
        if self._ready.done() and not self._ready.cancelled():
            self._ready.exception()  # known to whoever closes it
        if self._socket:
            self._socket.close()
            self._socket = None

    def give_up(self, why: str) -> None:
        """End it, and tell so."""
        if self._socket:
            self.close()
            self._gone = why
            self._on_end(self, why)

    # from the socket

    def _text(self, data: bytes) -> None:
        if self._closed:  # what came in one piece with the reason for it
            return
        try:
            event = orjson.loads(data)
            if not isinstance(event, dict) or not isinstance(event.get("type", ""), str):
                raise ValueError("not an event")
        except ValueError:
            self.garbage += 1
            if self.garbage == 1:
                self.log.warning("realtime.garbage", provider=self.provider.name, frame=data[:80])
            return
        self.heard_at = self._now()
        try:
            if self.tap and event.get("type") not in AUDIO:
                self.tap(event)
            meanings = self.session.receive(event)
        except Exception as error:  # boundary: what cannot be read is one event, and not the end of the session
            self.session.unreadable += 1
            if self.session.unreadable == 1:
                problem = f"{type(error).__name__}: {error}"
                self.log.warning("realtime.unreadable", provider=self.provider.name, frame=data[:200], problem=problem)
            return
        for meaning in meanings:
            self._mean(meaning)
        self.flush()

    def _mean(self, event: Event) -> None:
        """What one event means is for whoever listens."""
        if not self._ready.done():
            self._settle(event)
            return
        if self._from_server and isinstance(event, AudioDelta):
            event = replace(event, audio=self._from_server(event.audio))
        try:
            self._on_event(event)
        except Exception:  # boundary: a bug of ours in what follows is no reason to hang up on the caller
            self.log.exception("realtime.bug", provider=self.provider.name, meaning=type(event).__name__)
        if isinstance(event, ProviderFault) and event.severity is Severity.FATAL:
            self.give_up(f"{event.message} ({event.code})")

    def _settle(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._ready.set_result(None)
        elif isinstance(event, ProviderFault) and event.severity is Severity.FATAL:
            busy = event.code in BUSY
            kind = ProviderUnreachable if busy else ProviderRefused
            problem = f"refused the session: {event.message} ({event.code})"
            refusal = kind(self.provider.name, self.provider.url, problem)
            if isinstance(refusal, ProviderUnreachable):
                refusal.busy = True
            self._ready.set_exception(refusal)

    def _lost(self, code: int, reason: str) -> None:
        self._socket = None
        self._gone = why = f"closed the connection (code {code}{reason and ': ' + reason})"
        if self._ready.done():
            self._on_end(self, f"the provider {why}")
        else:
            problem = why.replace(" (", " before the session was ready (", 1)
            self._ready.set_exception(ProviderUnreachable(self.provider.name, self.provider.url, problem))


def _retry_after(text: str) -> float | None:
    """Seconds, of a Retry-After header: a number, or a date (RFC 9110 section 10.2.3); None for neither."""
    if text.isascii() and text.strip().isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, (when - datetime.now(when.tzinfo or UTC)).total_seconds())


async def rehearse(choice: Choice, seconds: float) -> float:
    """Open a session as a call would, and close it; s until it was ready. Raises ProviderError."""
    began = asyncio.get_running_loop().time()
    link = Link(choice, History(), lambda event: None, lambda link, why: None)
    try:
        await link.open(seconds)
        return asyncio.get_running_loop().time() - began
    finally:
        link.close()
