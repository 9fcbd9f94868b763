"""A Realtime provider that costs next to nothing, for load: it talks without pause and does not listen.

`python -m tests.stub PORT [g711]`. Every frame that it sends is made once; of what it gets it reads the first.
A session gets 24 kHz speech in deltas of 100 ms, at the pace of real time with 300 ms ahead, in responses of 10 s.
"""

from __future__ import annotations

import asyncio
import itertools
import struct
import sys
from base64 import b64encode
from hashlib import sha1
from typing import Any, ClassVar

import numpy as np
import orjson
import uvloop

from gateway.codecs import g711

DELTA_MS, AHEAD, DELTAS = 100, 3, 100  # ms of audio, deltas before real time, deltas of one response
SLICES = 5  # of the sessions, so that not all get theirs at once


def frame(**event: Any) -> bytes:
    """One unmasked text frame (RFC 6455 section 5.2)."""
    data = orjson.dumps(event)
    if len(data) < 126:
        return struct.pack("!BB", 0x81, len(data)) + data
    return (
        struct.pack("!BBH", 0x81, 126, len(data)) if len(data) < 65536 else struct.pack("!BBQ", 0x81, 127, len(data))
    ) + data


def speech() -> list[bytes]:
    """One response: its deltas hold a swept tone, which no two frames of are the same."""
    moments = np.arange(DELTAS * DELTA_MS * 24) / 24000
    sweep = (6000 * np.sin(2 * np.pi * (300 * moments + 120 * moments**2))).astype("<i2")
    if sys.argv[2:] == ["g711"]:
        sweep = g711.encode(g711.ULAW, sweep[::3])
    place = {"response_id": "resp", "item_id": "item", "content_index": 0}
    pieces = sweep.reshape(DELTAS, -1)
    return [
        frame(type="response.output_audio.delta", delta=b64encode(piece.tobytes()).decode(), **place)
        for piece in pieces
    ]


PING, PONG = b"\x89\x80", b"\x8a\x00"
BEGIN = frame(type="response.created", response={"id": "resp"})
END = frame(type="response.done", response={"id": "resp", "status": "completed", "output": []})
SPEECH = speech()


class Session(asyncio.Protocol):
    live: ClassVar[set[Session]] = set()
    serial = itertools.count()

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer, self.opened, self.updated = transport, b"", False, False
        self.slice, self.next = next(self.serial) % SLICES, 0

    def data_received(self, data: bytes) -> None:
        if self.updated:
            if PING in data:  # or what looks like it: a pong that nobody asked for does no harm
                self.transport.write(PONG)
            return
        if not self.opened:
            self.buffer += data
            if b"\r\n\r\n" not in self.buffer:
                return
            key = next(line for line in self.buffer.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accept = b64encode(sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.opened = True
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame(type="session.created", session={"id": "s"})
            )
            return
        self.updated = True  # whatever it was: the first thing that a client says is session.update
        self.transport.write(frame(type="session.updated", session={}))
        self.live.add(self)
        for _ in range(AHEAD):
            self.say()

    def say(self) -> None:
        if self.next == 0:
            self.transport.write(BEGIN)
        self.transport.write(SPEECH[self.next])
        self.next = (self.next + 1) % DELTAS
        if self.next == 0:
            self.transport.write(END)

    def connection_lost(self, exc: Exception | None) -> None:
        self.live.discard(self)


async def main() -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(Session, "127.0.0.1", int(sys.argv[1]))
    due = loop.time()
    for turn in itertools.cycle(range(SLICES)):
        for session in [one for one in Session.live if one.slice == turn]:
            session.say()
        due += DELTA_MS / 1000 / SLICES
        await asyncio.sleep(max(0.0, due - loop.time()))


if __name__ == "__main__":
    uvloop.run(main())
