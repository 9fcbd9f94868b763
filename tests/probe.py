"""What a call feels like while others load the node.

`python -m tests.probe SIP_PORT PROVIDER_PORT CALLS SECONDS LOSS JITTER_MS`; of its packets a share of LOSS never
leaves, and the others leave up to JITTER_MS late, out of order where that is longer than a packet.

A caller and the provider of its calls in one process, so that both ends share a clock. Prints JSON, times in ms:
`up` from a packet to the WebSocket message that holds it, `down` from a delta to the first packet of it, `barge_in`
from speech_started to the last packet of the old speech, `account` the truncation less what the packets held.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import sys
import time
from base64 import b64decode, b64encode

import numpy as np
import orjson
import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from gateway.codecs import g711
from tests.caller import Caller, Packet

CYCLE = 25  # packets of 20 ms from one mark to the next
TONE = (12000 * np.sin(2 * np.pi * 1000 * np.arange(160) / 8000)).astype(np.int16)
MARK, QUIET = g711.encode(g711.ULAW, TONE).tobytes(), b"\xff" * 160
SPEECH = (9000 * np.sin(2 * np.pi * 440 * np.arange(24 * 3000) / 24000)).astype("<i2").tobytes()  # 3 s
LOUD = 5000

Found = dict[str, list[float]]


class Conversation:
    """One call's agent: notes when marks arrive, speaks, and interrupts itself."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.websocket = websocket
        self.marks: list[float] = []
        self.truncated: asyncio.Queue[int] = asyncio.Queue()
        self.items = itertools.count()
        self._above = False

    async def say(self, **event: object) -> None:
        await self.websocket.send(orjson.dumps(event), text=True)

    async def serve(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.say(type="session.created", session={"id": "s"})
            async for text in self.websocket:
                event = orjson.loads(text)
                if event["type"] == "session.update":
                    await self.say(type="session.updated", session={})
                elif event["type"] == "conversation.item.truncate":
                    self.truncated.put_nowait(event["audio_end_ms"])
                elif event["type"] == "input_audio_buffer.append":
                    self._hear(time.monotonic(), np.frombuffer(b64decode(event["audio"]), "<i2"))

    def _hear(self, now: float, samples: np.ndarray) -> None:
        above = bool(np.abs(samples).max() > LOUD)
        if above and not self._above:
            self.marks.append(now)
        self._above = above

    async def speak(self, response: str, ms: int) -> None:
        place = {"response_id": response, "item_id": f"item{next(self.items)}", "content_index": 0}
        await self.say(type="response.created", response={"id": response})
        await self.say(type="response.output_audio.delta", delta=b64encode(SPEECH[: 48 * ms]).decode(), **place)
        await self.say(type="response.output_audio.done", **place)
        await self.say(type="response.done", response={"id": response, "status": "completed", "output": []})


def after(packets: list[Packet], since: float) -> list[Packet]:
    return [packet for packet in packets[-400:] if packet.at > since]


class Line:
    """The way of one caller's packets into the network, with its faults."""

    def __init__(self, caller: Caller, loss: float, jitter: float) -> None:
        self._caller, self._loss, self._jitter = caller, loss, jitter
        self.marked: list[float] = []  # when marks left

    def send(self, payload: bytes) -> None:
        packet = self._caller.next_rtp(payload)
        if payload is not MARK and random.random() < self._loss:
            return
        asyncio.get_running_loop().call_later(random.random() * self._jitter, self._leave, packet, payload is MARK)

    def _leave(self, packet: bytes, mark: bool) -> None:
        if mark:
            self.marked.append(time.monotonic())
        self._caller.send_garbage(packet)


async def one(
    sip: int, waiting: asyncio.Queue[Conversation], seconds: float, faults: tuple[float, float], found: Found
) -> None:
    caller = Caller(sip, user="probe")
    async with caller:
        assert await caller.invite() == 200
        talk = await waiting.get()
        end = time.monotonic() + seconds
        line = Line(caller, *faults)

        async def voice() -> None:
            loop = asyncio.get_running_loop()
            due = loop.time()
            for number in itertools.count():
                line.send(MARK if number % CYCLE == CYCLE - 1 else QUIET)
                due += 0.02
                await asyncio.sleep(max(0.0, due - loop.time()))

        speaking = asyncio.create_task(voice())
        await asyncio.sleep(1)
        for number in itertools.count():
            if time.monotonic() > end:
                break
            caller.packets.clear()
            began = time.monotonic()
            long = number % 2 == 1
            await talk.speak(f"r{number}", 3000 if long else 200)
            await asyncio.sleep(0.3 + random.random() * 0.2)
            first = next((packet for packet in after(caller.packets, began) if not packet.silent), None)
            if first is None:
                found["lost"].append(1)
                continue
            found["down"].append((first.at - began) * 1000)
            if long:
                stopped = time.monotonic()
                await talk.say(type="input_audio_buffer.speech_started", audio_start_ms=0, item_id="x")
                with contextlib.suppress(TimeoutError):
                    ms = await asyncio.wait_for(talk.truncated.get(), 1)
                    await asyncio.sleep(0.3)
                    last = max((packet.at for packet in after(caller.packets, began) if not packet.silent), default=0.0)
                    found["barge_in"].append(max(0.0, (last - stopped) * 1000))
                    codes = np.frombuffer(b"".join(packet.payload for packet in after(caller.packets, began)), np.uint8)
                    loud = np.flatnonzero(np.abs(g711.decode(g711.ULAW, codes).astype(int)) > 200)
                    found["account"].append(ms - (loud[-1] - loud[0]) / 8)
                await talk.say(type="input_audio_buffer.speech_stopped", audio_end_ms=0, item_id="x")
        speaking.cancel()
        pairs = zip(line.marked, talk.marks, strict=False)
        found["up"] += [(came - went) * 1000 for went, came in pairs]
        found["marks_lost"].append(len(line.marked) - len(talk.marks))
        caller.bye()


async def main() -> None:
    sip, provider, calls, seconds = (int(value) for value in sys.argv[1:5])
    faults = float(sys.argv[5]), float(sys.argv[6]) / 1000
    with contextlib.suppress(PermissionError):
        os.nice(-15)  # others share the core
    found: Found = {name: [] for name in ("up", "down", "barge_in", "account", "lost", "marks_lost")}
    waiting: asyncio.Queue[Conversation] = asyncio.Queue()

    async def agent(websocket: ServerConnection) -> None:
        conversation = Conversation(websocket)
        waiting.put_nowait(conversation)
        await conversation.serve()

    async with serve(agent, "127.0.0.1", provider, compression=None):
        calling = []
        for _ in range(calls):
            calling.append(asyncio.create_task(one(sip, waiting, seconds, faults, found)))
            await asyncio.sleep(0.3)  # one after the other: the first call gets the first conversation
        await asyncio.gather(*calling)
    print(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY).decode())


if __name__ == "__main__":
    uvloop.run(main())
