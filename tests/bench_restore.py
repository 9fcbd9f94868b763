"""What a caller notices of a provider's death: the connection is cut at a random moment of each call.

`python -m tests.bench_restore [--calls N]`: real calls over RTP, the embedded server behind a cable that is cut. The
agent is told a name, asked for a story, cut off within 4 s of that, and then asked for the name.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from gateway.app import Gateway
from gateway.local import LocalProcess, LocalSettings
from tests.caller import Caller
from tests.cutter import Cutter
from tests.e2e.test_failover import AGENT, SCRIPT, STORY
from tests.gatewayd import settings_for
from tests.speech import narrowband

AT_ONCE = 5
WITHIN = 4.0  # s after the question's beginning


@dataclass
class Seen:
    """Of one call: what the agent was doing when it was cut, and what came of it; times in ms."""

    doing: str
    gap: float  # longest silence within the story
    answer: float  # from the question's end to the story
    remembered: bool
    restored: float
    lost: bool


class Line:
    """One caller with a cable of its own."""

    def __init__(self, number: int, cutter: Cutter, gateway: Gateway) -> None:
        self.number, self.cutter, self.gateway = number, cutter, gateway
        self.said: list[str] = []
        self.events: list[tuple[str, dict[str, object]]] = []

    async def until(self, call: Caller, words: str) -> None:
        async with asyncio.timeout(60):
            while words not in self.said:
                await call.silence(0.1)
        await call.until_quiet()

    async def run(self, cut_after: float | None) -> Seen:
        name = ("anna", "robert")[self.number % 2]
        async with Caller(self.gateway.sip_port, user=f"line{self.number}") as call:
            assert await call.invite() == 200
            await call.until_quiet()
            await call.talk(narrowband(f"my name is {name}"))
            await self.until(call, f"Hello {name}.")
            loop, began, first = asyncio.get_running_loop(), asyncio.get_running_loop().time(), len(call.packets)
            if cut_after is not None:
                loop.call_later(cut_after, self.cutter.cut)
            await call.talk(narrowband("tell me a story"))
            asked = loop.time()
            await self.until(call, STORY)
            loud = np.array([packet.at for packet in call.packets[first:] if not packet.silent])
            cut = began + (cut_after or 0)
            doing = next(
                what for what, end in (("hearing", asked), ("thinking", loud[0]), ("talking", cut + 1)) if cut < end
            )
            if cut_after is None:
                doing = "not cut"
            gaps = np.diff(loud) * 1000 - 20
            await call.talk(narrowband("what is my name"))
            remembered = False
            try:
                await self.until(call, f"You are {name}.")
                remembered = True
            except TimeoutError:
                pass
            lost = call.over.is_set()
            call.bye()
        restored = [data["seconds"] for kind, data in self.events if kind == "provider_restored"]
        seconds = float(str(restored[0])) if restored else float("nan")
        return Seen(doing, float(max(gaps)), (loud[0] - asked) * 1000, remembered, seconds * 1000, lost)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    calls = parser.parse_args().calls
    dice = np.random.default_rng(7)
    cuts: list[float | None] = [None] * max(2, calls // 10) + [float(dice.uniform(0, WITHIN)) for _ in range(calls)]
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = await stack.enter_async_context(LocalProcess(LocalSettings(scripts={"eve": SCRIPT})))
        cables = [await stack.enter_async_context(Cutter(urlsplit(url).port or 0)) for _ in range(AT_ONCE)]
        agents = {f"line{place}": AGENT.replace("cut", f"cable{place}") for place in range(AT_ONCE)}
        settings = settings_for(
            folder,
            agents,
            providers={f"cable{place}": {"url": cable.url} for place, cable in enumerate(cables)},
            routes=[{"called": name, "agent": name} for name in agents],
            log={"level": "warning"},
        )
        gateway = Gateway(settings)
        lines: dict[str, Line] = {}
        gateway.sinks[:] = [lambda event, record: hear(lines, event, record)]
        await stack.enter_async_context(gateway)
        left, seen = list(enumerate(cuts)), list[Seen]()

        async def work(place: int) -> None:
            while left:
                _, cut = left.pop(0)
                line = lines[f"line{place}"] = Line(place, cables[place], gateway)
                seen.append(await line.run(cut))

        await asyncio.gather(*(work(place) for place in range(AT_ONCE)))
    report(seen)


def hear(lines: dict[str, Line], event: object, record: dict[str, object]) -> None:
    line = lines.get(str(record["agent"])) if "agent" in record else None
    if line:
        line.events.append((event.type, event.data))  # type: ignore[attr-defined]
        if event.type == "transcript" and event.data["role"] == "assistant":  # type: ignore[attr-defined]
            line.said.append(event.data["text"])  # type: ignore[attr-defined]


HEADER = (
    "| cut while the agent was | calls | silence within the story, p50 / most, ms | question to story, p50 / most, ms |"
)


def report(seen: list[Seen]) -> None:
    print(f"\n{HEADER}\n|---|---|---|---|")
    for doing in ("not cut", "hearing", "thinking", "talking"):
        rows = [one for one in seen if one.doing == doing]
        if rows:
            gaps, answers = [one.gap for one in rows], [one.answer for one in rows]
            gap, answer = (f"{np.median(one):.0f} / {max(one):.0f}" for one in (gaps, answers))
            print(f"| {doing} | {len(rows)} | {gap} | {answer} |")
    cut = [one for one in seen if one.doing != "not cut"]
    restored = [one.restored for one in cut if not np.isnan(one.restored)]
    lost, remembered = sum(one.lost for one in cut), sum(one.remembered for one in cut)
    print(f"\n{len(cut)} cut: {lost} calls lost, {remembered} remembered the name; another session in")
    print(f"{np.median(restored):.1f} / {max(restored):.1f} ms (p50 / most), {len(restored)} times")


if __name__ == "__main__":
    asyncio.run(main())
