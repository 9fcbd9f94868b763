"""A provider that misbehaves in every way there is, under calls: `python -m tests.misbehave [SECONDS [WAY ...]]`.

For each way 20 calls: half of them by an agent that has nobody else and a prompt for when nobody is left, half by one
that may go on with the embedded server. Prints how many sessions were opened, what the callers heard (by recogniser)
and how the calls ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
import wave
from base64 import b64encode
from collections import Counter
from hashlib import sha1
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gateway import logs
from gateway.codecs import Resampler, g711
from gateway.local import Rule, Script
from gateway.local.ears import Ears
from gateway.local.mouth import mouth
from tests.caller import Caller
from tests.gatewayd import running, settings_for
from tests.stub import frame

GREETING, PROMPT = "good morning how can i help you", "please call again later"
CALLS = 20
ONE = """
provider: bad
greeting: Good morning, how can I help you?
on_provider_failure: {play: later.wav}
"""
OTHER = ONE + "failover: [local]\n"


def speech(text: str, hz: int) -> bytes:
    return mouth().speak(text, speed=0.85, hz=hz).astype("<i2").tobytes()


class Provider(asyncio.Protocol):
    """One connection; `way` is how it misbehaves. Written by hand, for no library sends what these do."""

    way = ""
    opened = handshakes = 0
    said = speech(GREETING, 24000)

    def connection_made(self, transport: Any) -> None:
        self.transport, self.buffer, self.shaken = transport, b"", False
        self.serial, self.responses = itertools.count(1), 0

    def say(self, kind: str, **fields: Any) -> None:
        self.transport.write(frame(type=kind, **fields))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.shaken:
            if b"\r\n\r\n" not in self.buffer:
                return
            head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            Provider.handshakes += 1
            busy = {"429 twice": b"429 Too Many Requests", "503 twice": b"503 Service Unavailable"}.get(self.way)
            if busy and Provider.handshakes % 3:
                self.transport.write(b"HTTP/1.1 " + busy + b"\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
                self.transport.close()
                return
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accept = b64encode(sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame(type="session.created", session={"id": "s"})
            )
            self.shaken = True
            Provider.opened += 1
        while (event := self._next()) is not None:
            self._receive(event)

    def _next(self) -> dict[str, Any] | None:
        """One whole text frame of a client's."""
        if len(self.buffer) < 6:
            return None
        length, at = self.buffer[1] & 0x7F, 2
        if length == 126:
            length, at = int.from_bytes(self.buffer[2:4]), 4
        elif length == 127:
            length, at = int.from_bytes(self.buffer[2:10]), 10
        if len(self.buffer) < at + 4 + length:
            return None
        mask, body = self.buffer[at : at + 4], self.buffer[at + 4 : at + 4 + length]
        opcode, self.buffer = self.buffer[0] & 15, self.buffer[at + 4 + length :]
        plain = bytes(byte ^ mask[n % 4] for n, byte in enumerate(body[:4096]))
        if opcode == 9 and self.way != "no pong":
            self.transport.write(b"\x8a\x00")
        if opcode != 1 or length > 4096 or b'"input_audio_buffer.append"' in plain[:60]:
            return {}
        return dict(orjson.loads(plain))

    def _receive(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "session.update":
            self._updated()
        elif kind == "response.create":
            self.responses += 1
            self._respond()

    def _updated(self) -> None:
        updated: dict[str, Any] = {"session": {}}
        if self.way == "another rate":
            updated = {"session": {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 16000}}}}}
        if self.way == "mute" and Provider.opened and next(self.serial) > 1:
            return
        if self.way == "dies with its ready":
            expired = {"code": "session_expired", "message": "over"}
            self.transport.write(frame(type="session.updated", session={}) + frame(type="error", error=expired))
            self.transport.close()
            return
        self.say("session.updated", **updated)
        if self.way == "dies at once":
            asyncio.get_running_loop().call_later(0.02, self.transport.abort)
        if self.way == "fields of any type":
            for wrong in ("a string", [1], 7, None, {"id": {"x": []}}):
                for name, field in (
                    ("error", "error"), ("response.created", "response"), ("response.done", "response"),
                    ("session.updated", "session"), ("response.output_item.done", "item"),
                    ("response.output_audio.delta", "delta"), ("input_audio_buffer.committed", "item_id"),
                ):  # fmt: skip
                    self.say(name, **{field: wrong})
        if self.way == "errors by the hundred":
            for _ in range(500):
                self.say("error", error={"type": "server_error", "code": "x" * 200, "message": "y" * 2000})

    def _respond(self) -> None:
        if self.way == "mute":
            return
        failing = {"fails": "server_error", "no money": "insufficient_quota"}.get(self.way)
        identity = f"r{self.responses}"
        self.say("response.created", response={"id": identity})
        if failing or (self.way == "fails once" and self.responses == 1):
            error = {"type": "server_error", "code": failing or "server_error", "message": "no"}
            details = {"type": "failed", "error": error}
            self.say("response.done", response={"id": identity, "status": "failed", "status_details": details})
            return
        said = speech(GREETING, 16000) if self.way == "another rate" else self.said
        place = {"item_id": f"i{self.responses}", "content_index": 0, "response_id": identity}
        for at in range(0, len(said), 4800):
            self.say("response.output_audio.delta", delta=b64encode(said[at : at + 4800]).decode(), **place)
        self.say("response.output_audio.done", **place)
        self.say("response.done", response={"id": identity, "status": "completed", "output": []})
        if self.way == "late audio":
            asyncio.get_running_loop().call_later(4.0, self._interrupt, place)

    def _interrupt(self, place: dict[str, Any]) -> None:
        """A long answer, an interruption, and audio of it afterwards, in each of the ways that it comes."""
        if self.transport.is_closing():
            return
        self.say("response.created", response={"id": "late"})
        delta = b64encode(self.said).decode()
        self.say("response.output_audio.delta", delta=delta, item_id="l", content_index=0, response_id="late")
        self.say("input_audio_buffer.speech_started", audio_start_ms=0, item_id="u")
        self.say("response.done", response={"id": "late", "status": "cancelled", "output": []})
        for more in ({"response_id": "late", "item_id": "l"}, {"item_id": "l"}, {}):
            self.say("response.output_audio.delta", delta=delta, content_index=0, **more)


WAYS = (
    "dies at once", "dies with its ready", "mute", "fails", "fails once", "no money", "fields of any type",
    "errors by the hundred", "no pong", "429 twice", "503 twice", "another rate", "late audio",
)  # fmt: skip


def understood(ears: Ears, caller: Caller) -> list[str]:
    """What was said to the caller, stretch by stretch between pauses."""
    found, stretch, quiet = list[str](), list[bytes](), 0
    for packet in [*caller.packets, None]:
        if packet is not None and not packet.silent:
            stretch.append(packet.payload)
            quiet = 0
            continue
        quiet += 1
        if stretch and (quiet > 20 or packet is None):
            codes = np.frombuffer(b"\xff" * 2400 + b"".join(stretch) + b"\xff" * 4000, np.uint8)
            samples = Resampler(8000, 16000).push(g711.decode(g711.ULAW, codes))
            if len(stretch) > 20:
                text = ears.understand(samples)
                found.append({GREETING: "greeting", PROMPT: "prompt", "": "music or noise"}.get(text, text))
            stretch = []
        elif stretch:
            stretch.append(b"\xff" * 160)
    return found


async def one(port: int, agent: str, seconds: float) -> tuple[int, Caller]:
    caller = Caller(port, user=agent)
    await caller.__aenter__()
    try:
        status = await caller.invite(30)
    except TimeoutError:
        return 0, caller
    if status == 200:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                talking = asyncio.create_task(caller.silence(seconds))
                await caller.over.wait()
                talking.cancel()
        if not caller.over.is_set():
            caller.bye()
    return status, caller


async def misbehave(way: str, seconds: float, ears: Ears) -> None:
    Provider.way, Provider.opened, Provider.handshakes = way, 0, 0
    folder = Path(tempfile.mkdtemp(prefix="gateway-misbehave-"))
    with wave.open(str(folder / "later.wav"), "wb") as file:
        file.setparams((1, 2, 24000, 0, "NONE", ""))
        file.writeframes(speech(PROMPT, 24000))
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/realtime"
    settings = settings_for(
        folder, {"alone": ONE, "pair": OTHER}, providers={"bad": {"url": url}},
        routes=[{"called": "alone", "agent": "alone"}, {"called": "*", "agent": "pair"}], log={"level": "error"},
    )  # fmt: skip
    async with running(settings) as (gateway, events):
        began = time.monotonic()
        agents = ["alone", "pair"] * (CALLS // 2)
        found = await asyncio.gather(*(one(gateway.sip_port, agent, seconds) for agent in agents))
        took = time.monotonic() - began
        await asyncio.sleep(0.3)
        left = len(gateway.switchboard)
    outcomes = Counter(str(data.get("outcome")) for kind, data in events if kind == "ended")
    print(
        f"{way}: {Provider.opened} sessions ({Provider.handshakes} handshakes) in {took:.0f} s, {left} calls left over"
    )
    for agent in ("alone", "pair"):
        heard = Counter(
            " + ".join(f"{text}{f' x{n}' if n > 1 else ''}" for text, n in Counter(understood(ears, caller)).items())
            or "nothing"
            for (_, caller), name in zip(found, agents, strict=True)
            if name == agent
        )
        statuses = Counter(status for (status, _), name in zip(found, agents, strict=True) if name == agent)
        print(f"    {agent}: {dict(statuses)}, heard {dict(heard)}")
    print(f"    ended: {dict(outcomes)}", flush=True)
    for _, caller in found:
        await caller.__aexit__()
    server.close()


async def main(seconds: float, ways: list[str]) -> None:
    logs.configure("error", "json")
    ears = Ears("listener", Script((Rule((GREETING, PROMPT)),)))
    for way in ways or WAYS:
        await misbehave(way, seconds, ears)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if sys.argv[1:] else 60.0, sys.argv[2:]))
