"""Messages out of a byte stream (RFC 3261 section 18.3) and the keepalives between them (RFC 5626 section 4.4.1)."""

from __future__ import annotations

import re

from gateway.errors import SipParseError
from gateway.sip.message.grammar import parse_int
from gateway.sip.message.message import MAX_MESSAGE

PING = b"\r\n\r\n"
PONG = b"\r\n"
_CONTENT_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:([^\r\n]*)", re.IGNORECASE)


class StreamFramer:
    """Feed it what TCP delivers; it returns whole messages, and `PING` for each keepalive that wants a `PONG`.

    On a stream Content-Length is what ends a message, so one that is missing or malformed, or a head that never
    ends, is an `error`: the stream cannot be read on and has to be closed. What was whole before it is returned.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.error: SipParseError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        messages: list[bytes] = []
        if self.error:
            return messages
        self._buffer += data
        try:
            while (message := self._take()) is not None:
                messages.append(message)
        except SipParseError as error:
            self.error = error
        return messages

    def _take(self) -> bytes | None:
        buffer = self._buffer
        if buffer.startswith(PING):
            del buffer[:4]
            return PING
        while buffer.startswith(b"\r\n") and len(buffer) > 2 and not PING.startswith(bytes(buffer[:4])):
            del buffer[:2]  # a PONG, or stray line ends before a message
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > MAX_MESSAGE:
                raise SipParseError(f"no end of the headers within {MAX_MESSAGE} bytes", 513)
            return None
        length = _CONTENT_LENGTH.search(buffer, 0, end)
        if length is None:
            raise SipParseError("Content-Length is missing on a stream")
        whole = end + 4 + parse_int(length[1].decode("latin-1"), "Content-Length", MAX_MESSAGE)
        if len(buffer) < whole:
            return None
        message = bytes(buffer[:whole])
        del buffer[:whole]
        return message
