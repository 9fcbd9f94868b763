"""A WebSocket whose writes are plain calls: `websockets`' own protocol core on an asyncio transport of ours.

The library's asyncio client makes a coroutine of every send and a queue of every message; a call sends fifty
appends a second, and needs neither.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from gateway import USER_AGENT

try:
    from websockets.speedups import apply_mask
except ImportError:  # no compiler where it was installed
    from websockets.utils import apply_mask

PING_SECONDS = 20.0
MAX_BUFFERED = 256 * 1024
"""Bytes that may wait in the socket: about 4 s of caller audio. More means that the provider has stalled."""


class WebSocket(asyncio.Protocol):
    """`on_text` gets every message, `on_close` the close code and reason once."""

    def __init__(
        self,
        protocol: ClientProtocol,
        headers: dict[str, str],
        on_text: Callable[[bytes], None],
        on_close: Callable[[int, str], None],
    ) -> None:
        self._protocol, self._headers = protocol, headers
        self._on_text, self._on_close = on_text, on_close
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._pong_due = self._came = False
        self._closed = False
        self.opened: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        request = self._protocol.connect()
        request.headers["User-Agent"] = USER_AGENT
        request.headers.update(self._headers)
        self._protocol.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._came = True
        self._protocol.receive_data(data)
        self._events()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._events()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError("the connection closed before the handshake was done"))
        if not self._closed:
            self._closed = True
            farewell = self._protocol.close_rcvd
            if farewell:
                self._on_close(farewell.code, farewell.reason)
            else:
                self._on_close(1006, str(exc or ""))  # RFC 6455 section 7.1.5: no Close frame came

    def hand_over(self, on_text: Callable[[bytes], None], on_close: Callable[[int, str], None]) -> None:
        """From now on somebody else hears it."""
        self._on_text, self._on_close = on_text, on_close

    def send(self, text: bytes) -> None:
        """One message. The library's own way to it takes longer than all that was done to the audio in it."""
        if self._transport and not self._transport.is_closing() and self._protocol.state is State.OPEN:
            self._transport.write(_text_frame(text))

    @property
    def stalled(self) -> bool:
        """The peer does not read: what is sent now only waits."""
        return self._transport is not None and self._transport.get_write_buffer_size() > MAX_BUFFERED

    def close(self) -> None:
        self._closed = True  # of our own will: nobody needs to be told
        if self._transport and not self._transport.is_closing():
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._flush()
            self._transport.close()

    def _events(self) -> None:
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Response):
                self._handshake_done()
            elif isinstance(event, Frame):
                self._frame(event)
        if self._protocol.handshake_exc and not self.opened.done():
            self.opened.set_exception(self._protocol.handshake_exc)
        if self._transport and (self._protocol.close_expected() or self._protocol.state is State.CLOSED):
            self._transport.close()

    def _handshake_done(self) -> None:
        if self._protocol.handshake_exc is None and not self.opened.done():
            self.opened.set_result(None)
            self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._pong_due = False
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if frame.fin and not self._parts:
                self._on_text(bytes(frame.data))
                return
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._on_text(whole)

    def _ping(self) -> None:
        if self._transport is None or self._protocol.state is not State.OPEN:
            return
        if self._pong_due and not self._came:  # nothing came for a whole interval: the path is dead
            self._transport.abort()
            return
        self._pong_due, self._came = True, False
        self._protocol.send_ping(b"")
        self._flush()
        self._timer = self._loop.call_later(PING_SECONDS, self._ping)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport and data:
                self._transport.write(data)


_MASKS: list[bytes] = []


def _text_frame(data: bytes) -> bytes:
    """A whole text message of a client's: final, masked (RFC 6455 section 5.2)."""
    if not _MASKS:
        chance = os.urandom(4096)
        _MASKS.extend(chance[at : at + 4] for at in range(0, 4096, 4))
    mask, length = _MASKS.pop(), len(data)
    if length < 126:
        head = struct.pack("!BB", 0x81, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", 0x81, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x81, 0x80 | 127, length)
    return b"".join((head, mask, apply_mask(data, mask)))


@cache
def _tls() -> ssl.SSLContext:
    """Made once: to read the system's authorities takes tens of milliseconds."""
    return ssl.create_default_context()


async def open_socket(
    url: str,
    headers: dict[str, str],
    on_text: Callable[[bytes], None],
    on_close: Callable[[int, str], None],
    max_frame: int,
) -> WebSocket:
    """Connect and shake hands. Raises OSError, or websockets' InvalidHandshake and InvalidURI."""
    protocol = ClientProtocol(parse_uri(url), max_size=max_frame)
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    tls: dict[str, Any] = {"ssl": _tls(), "server_hostname": parts.hostname} if secure else {}
    transport, socket = await asyncio.get_running_loop().create_connection(
        lambda: WebSocket(protocol, headers, on_text, on_close),
        parts.hostname or "",
        parts.port or (443 if secure else 80),
        **tls,
    )
    try:
        await socket.opened
    except BaseException:
        socket.close()
        transport.abort()
        raise
    return socket
