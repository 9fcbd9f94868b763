"""Where the time goes: from the end of the caller's words to the agent's, and what a dead provider adds at the start.

`python -m tests.bench_answer [--rounds N]`: real calls over RTP with the embedded server, everything on one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson

from gateway.local import LocalProcess, LocalSettings
from gateway.local.ears import Ears
from gateway.local.mouth import mouth
from gateway.realtime.openai.link import Link
from tests.caller import Caller
from tests.cutter import Cutter
from tests.e2e.test_failover import AGENT, SCRIPT, STORY
from tests.gatewayd import running, settings_for
from tests.speech import narrowband

STOPPED, TRANSCRIBED, CREATED, DELTA = (
    "input_audio_buffer.speech_stopped",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_audio.delta",
)
STAGES = (
    ("the caller's last sound to speech_stopped, which leaves the server with what follows", STOPPED),
    ("to the transcript", TRANSCRIBED),
    ("to response.created", CREATED),
    ("to the first delta", DELTA),
    ("to the first packet at the caller: playout, resampling, RTP", ""),
)
SILENCE_MS = 200


class Ear:
    """When events of each kind came from the provider."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._real = Link._text

    def __enter__(self) -> Ear:
        ear, real = self, self._real

        def note(link: Link, data: bytes) -> None:
            ear.at.setdefault(orjson.loads(data)["type"], time.monotonic())
            real(link, data)

        Link._text = note  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Link._text = self._real  # type: ignore[method-assign]


async def stages(rounds: int) -> None:
    words = narrowband("what is my name")
    last = int(np.flatnonzero(np.abs(words.astype(int)) > 300)[-1])
    words = words[: last // 160 * 160]
    rows: list[list[float]] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = await stack.enter_async_context(LocalProcess(LocalSettings(scripts={"eve": SCRIPT})))
        agent = AGENT + f"turn_detection: {{type: server_vad, silence_duration_ms: {SILENCE_MS}}}\n"
        settings = settings_for(folder, {"eve": agent}, providers={"cut": {"url": url}}, log={"level": "warning"})
        gateway, _ = await stack.enter_async_context(running(settings))
        ear = stack.enter_context(Ear())
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            for _ in range(rounds):
                await call.talk(words)
                began, first = time.monotonic(), len(call.packets)
                ear.at.clear()
                await call.until_quiet()
                offset = time.monotonic() - asyncio.get_running_loop().time()
                heard = next(packet.at for packet in call.packets[first:] if not packet.silent) + offset
                times = [began, *(ear.at[kind] for _, kind in STAGES[:-1]), heard]
                rows.append([*(np.diff(times) * 1000), (heard - began) * 1000])
            call.bye()
    print("\nfrom the caller's last sound to the agent's first, ms (p50 / most)\n")
    for (what, _), values in zip((*STAGES, ("in all", "")), np.array(rows).T, strict=True):
        print(f"  {what:88} {np.median(values):7.1f} / {values.max():.1f}")
    print(f"\nin the first stage: {SILENCE_MS} of silence_duration_ms, up to 32 of the detector's window, and\n")
    heard, ears, voice = np.repeat(words, 2), Ears("eve", SCRIPT), mouth()
    for what, work in (
        ("recognition", lambda: ears.understand(heard)),
        ("the voice", lambda: voice.speak("You are anna.", "en-us", 1.0, 24000)),
    ):
        times = []
        for _ in range(rounds):
            before = time.perf_counter()
            work()
            times.append((time.perf_counter() - before) * 1000)
        print(f"  {what:88} {np.median(times):7.1f} / {max(times):.1f}")


async def failover(rounds: int) -> None:
    """The first of two providers is dead in one way or another."""
    print("\na dead first provider: INVITE to 200 (or break to another session), and to the first sound")
    print("ms (p50 / most)\n")
    ways = {"nobody is dead": None, "it refuses the connection": "refusing", "it accepts and is mute": "mute"}
    for what, breaks in ways.items():
        await _report(what, partial(_at_the_start, breaks), rounds)
    await _report("it dies in the middle of a call", _in_mid_call, rounds)


async def _report(what: str, once: Callable[[], Awaitable[tuple[float, float]]], rounds: int) -> None:
    answered, heard = np.array([await once() for _ in range(rounds)]).T
    values = f"{np.median(answered):7.1f} / {answered.max():.1f}, {np.median(heard):7.1f} / {heard.max():.1f}"
    print(f"  {what:32} {values}")


async def _two(stack: AsyncExitStack) -> tuple[Cutter, Any, list[tuple[str, dict[str, Any]]]]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    url = await stack.enter_async_context(LocalProcess(LocalSettings(scripts={"eve": SCRIPT})))
    first = await stack.enter_async_context(Cutter(urlsplit(url).port or 0))
    agent = AGENT + "failover: [{provider: second, model: eve}]\n"
    rows = {"cut": {"url": first.url, "failover_seconds": 1.0}, "second": {"url": url}}
    settings = settings_for(folder, {"eve": agent}, providers=rows, log={"level": "error"})
    gateway, events = await stack.enter_async_context(running(settings))
    return first, gateway, events


async def _at_the_start(breaks: str | None) -> tuple[float, float]:
    async with AsyncExitStack() as stack:
        first, gateway, _ = await _two(stack)
        if breaks == "refusing":
            first.refusing = True
        elif breaks == "mute":
            first.deaf.clear()
        call = await stack.enter_async_context(Caller(gateway.sip_port))
        began = asyncio.get_running_loop().time()
        assert await call.invite() == 200
        answered = asyncio.get_running_loop().time()
        await call.until_quiet()
        call.bye()
        heard = next(packet.at for packet in call.packets if not packet.silent)
        return (answered - began) * 1000, (heard - began) * 1000


async def _in_mid_call() -> tuple[float, float]:
    async with AsyncExitStack() as stack:
        first, gateway, events = await _two(stack)
        call = await stack.enter_async_context(Caller(gateway.sip_port))
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(narrowband("tell me a story"))
        async with asyncio.timeout(10):
            while not any(kind == "speech_stopped" for kind, _ in events):
                await call.silence(0.02)
        began, count = asyncio.get_running_loop().time(), len(call.packets)
        first.refusing = True
        first.cut()
        async with asyncio.timeout(20):
            while not any(kind == "transcript" and data["text"] == STORY for kind, data in events):
                await call.silence(0.02)
        call.bye()
        heard = next(packet.at for packet in call.packets[count:] if not packet.silent)
        restored = next(float(data["seconds"]) for kind, data in events if kind == "provider_restored")
        return restored * 1000, (heard - began) * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    wanted = parser.parse_args().rounds
    asyncio.run(stages(wanted))
    asyncio.run(failover(wanted))
