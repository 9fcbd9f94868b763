"""Mutated RTP and RTCP into live calls, and mutated Realtime events from their provider, over real sockets.

`python -m tests.fuzz.media [COUNT]`: so many of each. The gateway is a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.bench import resident
from tests.caller import Caller
from tests.gatewayd import free_port, until_ready

CALLS = 10
AUDIO = b64encode(bytes(4800)).decode()
CALL = {"type": "function_call", "call_id": "c1", "name": "lookup", "arguments": "{}", "id": "i1"}
DONE = {"id": "r1", "status": "completed", "output": [CALL], "usage": {"total_tokens": 3}, "status_details": None}
FAILED = {**DONE, "status": "failed", "status_details": {"error": {"code": "server_error", "message": "no"}}}
EVENTS: list[dict[str, Any]] = [
    {"type": "session.updated", "session": {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}}},
    {"type": "response.created", "response": {"id": "r1", "conversation_id": "conv"}},
    {"type": "response.output_item.added", "response_id": "r1", "item": CALL},
    {"type": "response.output_audio.delta", "response_id": "r1", "item_id": "i1", "content_index": 0, "delta": AUDIO},
    {"type": "response.output_audio.done", "response_id": "r1", "item_id": "i1", "content_index": 0},
    {"type": "response.output_audio_transcript.delta", "item_id": "i1", "delta": "hello"},
    {"type": "response.output_audio_transcript.done", "item_id": "i1", "transcript": "hello there"},
    {"type": "response.function_call_arguments.done", "call_id": "c1", "name": "lookup", "arguments": "{}"},
    {"type": "response.output_item.done", "response_id": "r1", "item": CALL},
    {"type": "response.done", "response": DONE},
    {"type": "response.done", "response": FAILED},
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": 100, "item_id": "u1"},
    {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": "u1"},
    {"type": "input_audio_buffer.committed", "item_id": "u1", "previous_item_id": None},
    {"type": "conversation.item.input_audio_transcription.completed", "item_id": "u1", "transcript": "hi"},
    {"type": "conversation.item.input_audio_transcription.failed", "item_id": "u1", "error": {}},
    {"type": "error", "error": {"type": "invalid_request_error", "code": "x", "message": "y", "event_id": "event_1"}},
    {"type": "rate_limits.updated", "rate_limits": []},
]
VALUES: list[Any] = [None, True, 0, -1, 1e308, "", "x" * 300, [], [1], {}, {"a": []}, "r1", "i1", "completed", "failed"]


def mutated_event(dice: random.Random) -> bytes:
    """A valid event with something in it that should not be: another value somewhere, or other bytes."""
    event = orjson.loads(orjson.dumps(dice.choice(EVENTS)))
    for _ in range(dice.randint(0, 2)):
        place, keys = event, list[Any]()
        while isinstance(place, dict) and place:
            key = dice.choice(list(place))
            keys.append((place, key))
            place = place[key]
        holder, key = dice.choice(keys[1:] or keys)
        if key != "type" or dice.random() < 0.1:
            holder[key] = deepcopy(dice.choice(VALUES))
    data = bytearray(orjson.dumps(event))
    if dice.random() < 0.15:
        at = dice.randrange(len(data))
        data[at : at + dice.randint(0, 9)] = dice.randbytes(dice.randint(0, 5))
    return data.decode("latin-1").encode()


def packets(dice: random.Random) -> Iterator[tuple[bytes, bool]]:
    """Datagrams, and whether each goes to the port of RTCP: streams with jumps, flags and lengths of every kind."""
    number, stamp, ssrc = 0, 0, dice.randbytes(4)
    while True:
        number, stamp = number + 1 & 0xFFFF, stamp + 160 & 0xFFFFFFFF
        if dice.random() < 0.02:
            number = dice.randrange(65536)
        if dice.random() < 0.02:
            stamp = dice.randrange(1 << 32)
        if dice.random() < 0.005:
            ssrc = dice.randbytes(4)
        if dice.random() < 0.5:
            kind = dice.choice([0, 0, 0, 8, 13, 101, 18, 127, dice.randrange(128)])
            head = bytes([0x80, kind | dice.choice([0, 0x80])]) + number.to_bytes(2, "big") + stamp.to_bytes(4, "big")
            data = bytearray(head + ssrc + dice.randbytes(dice.choice([0, 1, 4, 80, 160, 160, 160, 320, 1400])))
        else:
            kind = dice.choice([200, 201, 202, 203, 204, 205, 206])
            words = dice.randrange(0, 12)
            data = bytearray(
                bytes([0x80 | dice.randrange(32), kind]) + words.to_bytes(2, "big") + dice.randbytes(4 * words)
            )
        for _ in range(dice.randint(0, 2)):
            if data:
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        yield bytes(data), dice.random() < 0.5


class Provider:
    """Takes every session, and says what is no answer to anything."""

    def __init__(self, count: int) -> None:
        self.left, self.sessions, self._dice = count, 0, random.Random(3550)

    async def __call__(self, websocket: ServerConnection) -> None:
        self.sessions += 1
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(orjson.dumps({"type": "session.created", "session": {"id": "s"}}), text=True)
            await websocket.recv()
            await websocket.send(orjson.dumps({"type": "session.updated", "session": {}}), text=True)
            reading = asyncio.create_task(self._read(websocket))
            try:
                while self.left > 0:
                    for _ in range(20):
                        self.left -= 1
                        await websocket.send(mutated_event(self._dice), text=True)
                    await asyncio.sleep(0.01)
                await websocket.wait_closed()
            finally:
                reading.cancel()

    async def _read(self, websocket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for _ in websocket:
                pass


async def caller(port: int, share: list[int], seed: int, provider: Provider) -> None:
    """Calls, and calls again, until its share of datagrams has left and the provider has said all."""
    dice = random.Random(seed)
    stream = packets(dice)
    while share[0] > 0 or provider.left > 0:
        async with Caller(port, keep=False) as call:
            try:
                status = await call.invite(20)
            except TimeoutError:
                continue
            if status != 200 or call._media is None:
                await asyncio.sleep(0.1)
                continue
            host, rtp = call._media
            while not call.over.is_set() and (share[0] > 0 or provider.left > 0):
                for _ in range(10):
                    share[0] -= 1
                    data, control = next(stream)
                    call._rtp.sendto(data, (host, rtp + control))
                await asyncio.sleep(0.005)
            call.bye()
            await asyncio.sleep(0.05)


def _metrics(http: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def _value(text: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def play(count: int, sip: int, http: int, provider: Provider, pid: int) -> list[float]:
    """Memory in MB after each tenth."""
    sizes: list[float] = []
    shares = [[2 * count // CALLS] for _ in range(CALLS)]
    calling = [asyncio.create_task(caller(sip, share, seed, provider)) for seed, share in enumerate(shares)]
    while not all(task.done() for task in calling):
        await asyncio.sleep(0.2)
        done = 1 - max(0, sum(max(0, share[0]) for share in shares)) / (2 * count)
        while done * 10 >= len(sizes) + 1:
            sizes.append(resident(pid))
    await asyncio.gather(*calling)
    return sizes


async def run(count: int) -> str:
    """What is wrong afterwards; empty where nothing is."""
    sip, http = free_port(), free_port()
    provider = Provider(count)
    with tempfile.TemporaryDirectory() as folder:
        agents, log = Path(folder) / "agents", Path(folder) / "log"
        agents.mkdir()
        (agents / "bob.yaml").write_text("provider: bad\ngreeting: Hello.\ntools: [hang_up]\n")
        async with serve(provider, "127.0.0.1", 0, compression=None) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime"
            path = Path(folder) / "gateway.yaml"
            path.write_text(json.dumps({
                "sip": {"port": sip, "calls_per_second": 0}, "http": {"port": http}, "agents": "agents",
                "media": {"first_port": 46000, "last_port": 49999}, "log": {"level": "warning"},
                "providers": {"bad": {"url": url}}, "routes": [{"called": "*", "agent": "bob"}],
            }))  # fmt: skip
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [Path(sys.executable).parent / "gateway", "serve", "-c", path], stdout=output, stderr=output
                )
            try:
                await asyncio.to_thread(until_ready, http)
                before = len(os.listdir(f"/proc/{process.pid}/fd"))
                began = time.monotonic()
                sizes = await play(count, sip, http, provider, process.pid)
                seconds = time.monotonic() - began
                await asyncio.sleep(3)
                text, seen = log.read_text(errors="replace"), await asyncio.to_thread(_metrics, http)
                after = len(os.listdir(f"/proc/{process.pid}/fd"))
            finally:
                process.terminate()
                await asyncio.to_thread(process.wait, 30)
    live, leaked = _value(seen, "gateway_calls_live"), _value(seen, "gateway_leaked_total")
    memory = ", ".join(f"{one:.0f}" for one in sizes)
    faults = [
        line for line in text.splitlines() if "Traceback" in line or ".bug" in line or "exception" in line.lower()
    ]
    print(f"{count} RTP and RTCP datagrams each and {count} events in {provider.sessions} sessions, {seconds:.0f} s")
    print(f"memory in MB after each tenth: {memory}; descriptors {before} before, {after} after")
    print(f"calls live: {live:.0f}; leaked: {leaked:.0f}; faults in the log: {len(faults)}")
    if faults:
        place = text.index(faults[0])
        return text[max(0, place - 1000) : place + 4000]
    return f"{live:.0f} calls are left" if live or leaked else ""


if __name__ == "__main__":
    if problem := asyncio.run(run(int(sys.argv[1]) if sys.argv[1:] else 100_000)):
        sys.exit(problem)
