"""Figures of media under load: `python -m tests.bench_media --calls 1 50 100 200 300`, which `make bench` runs too.

SIPp makes the calls, with RTP at real time; their provider (tests/stub.py) talks without pause. A few calls more are
the probe's, which measures what is added to the way of a packet. The gateway has one core to itself, the others share
the rest.
Prints a table, and with --json keeps it.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tests.bench import cpu, resident
from tests.gatewayd import free_port, until_ready

ROOT = Path(__file__).parent.parent
PROBES = 3
WATCH_SECONDS = 300
CONFIG = """
sip: {{host: 127.0.0.1, port: {sip}, trace_calls: 0, calls_per_second: 0, max_calls: 0}}
http: {{port: {http}}}
media: {{first_port: 30000, last_port: 59999, chunk_ms: {chunk}}}
agents: agents
providers:
  stub: {{url: "ws://127.0.0.1:{stub}/v1/realtime", max_age_seconds: 0}}
  probe: {{url: "ws://127.0.0.1:{probe}/v1/realtime", max_age_seconds: 0}}
routes: [{{called: probe, agent: probe}}, {{called: "*", agent: stub}}]
"""


@dataclass
class Row:
    """One line of the table: shares of one core in %, times in ms as (p50, p99, most), memory in MB."""

    calls: int
    gateway: float
    generator: float
    per_call: float
    up: tuple[float, float, float]
    down: tuple[float, float, float]
    barge_in: tuple[float, float, float]
    account: tuple[float, float]
    late: tuple[int, int, int]  # frames, those over 5 ms late, those over 20 ms
    memory: float
    notes: list[str] = field(default_factory=list)


def of(values: list[float]) -> tuple[float, float, float]:
    if not values:
        return (float("nan"),) * 3
    half, most = np.percentile(values, [50, 99])
    return round(float(half), 1), round(float(most), 1), round(max(values), 1)


class Bench:
    """A gateway on the first core, everything else on the others."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.sip, self.http, stub, self.probe = (free_port() for _ in range(4))
        (folder / "agents").mkdir()
        for name in ("stub", "probe"):
            (folder / "agents" / f"{name}.yaml").write_text(f"provider: {name}\n{options.agent}")
        more = getattr(options, "config", "log: {level: warning}\n")
        config = more + CONFIG.format(sip=self.sip, http=self.http, stub=stub, probe=self.probe, chunk=options.chunk_ms)
        (folder / "gateway.yaml").write_text(config)
        self._log = (folder / "log").open("wb")
        self._faults = str(options.loss), str(options.jitter_ms)
        cores = sorted(os.sched_getaffinity(0))
        first, rest = cores[0], ",".join(map(str, cores[1:] or cores))
        self.rest = ["taskset", "-c", rest]
        serve = [*options.under, Path(sys.executable).parent / "gateway", "serve", "-c", folder / "gateway.yaml"]
        self.gateway = subprocess.Popen(["taskset", "-c", str(first), *serve], stdout=self._log, stderr=self._log)
        kind = ["g711"] if "g711" in options.agent else []
        self.stub = self._start("-m", "tests.stub", str(stub), *kind)
        until_ready(self.http)

    def _start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self.rest, sys.executable, *arguments], cwd=ROOT, **options)

    def metrics(self) -> dict[str, float]:
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=30).read().decode()
        return {
            name: float(value)
            for name, value in (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        }

    def sipp(self, calls: int, seconds: int) -> subprocess.Popen[bytes]:
        media = 10000 + free_port() % 9000 * 2  # the last run's SIPp may still hold its own
        command = [
            "sipp", f"127.0.0.1:{self.sip}", "-sf", "load.xml", "-s", "stub", "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-p", str(free_port()), "-r", "20", "-m", str(calls), "-l", str(calls), "-d", str(seconds * 1000),
            "-mp", str(media), "-nostdin",
        ]  # fmt: skip
        return subprocess.Popen(
            [*self.rest, *command], cwd=ROOT / "sipp-scenarios", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def run(self, calls: int, seconds: int, at_start: Callable[[], None] = lambda: None) -> Row:
        """`at_start` is done when all calls are up, before anything is measured."""
        empty = resident(self.gateway.pid)
        ramp = calls // 20 + 3
        load = self.sipp(calls, seconds + ramp + 12)
        time.sleep(ramp)
        at_start()
        others = {"stub": self.stub.pid, "SIPp": load.pid}  # taskset becomes what it starts
        before, metrics, began = self._used(others), self.metrics(), time.monotonic()
        probe = self._start(
            "-m",
            "tests.probe",
            str(self.sip),
            str(self.probe),
            str(PROBES),
            str(seconds),
            *self._faults,
            stdout=subprocess.PIPE,
        )
        sizes = self._watch(seconds)
        elapsed, used, later = time.monotonic() - began, self._used(others), self.metrics()
        memory = resident(self.gateway.pid)
        printed, _ = probe.communicate(timeout=60)
        found = orjson.loads(printed)
        load.wait(180)
        media = [record.get("media", {}) for record in self._records(calls + PROBES)]
        shares = {name: (used[name] - before[name]) / elapsed * 100 for name in used}
        frames, late, missed = (int(later[name] - metrics[name]) for name in FRAMES)
        live = int(later["gateway_calls_live"])
        row = Row(
            calls, shares["gateway"], shares["stub"] + shares["SIPp"], shares["gateway"] / (calls + PROBES),
            of(found["up"]), of(found["down"]), of(found["barge_in"]),
            (round(min(found["account"], default=0), 1), round(max(found["account"], default=0), 1)),
            (frames, late, missed), (memory - empty) / (calls + PROBES),
        )  # fmt: skip
        if live < calls + PROBES:
            row.notes.append(f"only {live} calls were live at the end: does not count")
        if row.generator > 85:
            row.notes.append("the generator was the limit: does not count")
        if lost := sum(one.get("lost", 0) + one.get("late", 0) for one in media):
            row.notes.append(f"{lost} packets of the callers were lost or late")
        if len(sizes) > 1:
            row.notes.append(f"MB every {WATCH_SECONDS // 60} minutes: {', '.join(f'{one:.0f}' for one in sizes)}")
        if marks := int(sum(found["marks_lost"])):
            row.notes.append(f"{marks} of the probe's marks did not come through")
        if found["lost"]:
            row.notes.append(f"{len(found['lost'])} answers were not heard")
        return row

    def _watch(self, seconds: int) -> list[float]:
        """Memory in MB, every five minutes of a long run."""
        sizes, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, WATCH_SECONDS))
            sizes.append(resident(self.gateway.pid))
        return sizes

    def _records(self, count: int) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{self.http}/v1/calls?limit={count}"
        return list(orjson.loads(urllib.request.urlopen(url, timeout=30).read())["data"])

    def _used(self, others: dict[str, int]) -> dict[str, float]:
        return {"gateway": cpu(self.gateway.pid), **{name: cpu(pid) for name, pid in others.items()}}

    def close(self) -> None:
        for process in (self.gateway, self.stub):
            process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        self.gateway.send_signal(signal.SIGTERM)
        for process in (self.gateway, self.stub):
            process.wait(30)
        self._log.close()


FRAMES = (
    "gateway_media_frames_total",
    'gateway_media_late_frames_total{ms="5"}',
    'gateway_media_late_frames_total{ms="20"}',
)


HEADER = (
    "| calls | gateway, % of a core | per call | up p50 / p99 / most | down | barge-in | account | late > 5 ms "
    "| > 20 ms | MB per call | generator |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    frames, late, missed = row.late
    times = " | ".join(" / ".join(f"{value:.1f}" for value in one) for one in (row.up, row.down, row.barge_in))
    account = " to ".join(f"{value:+.1f}" for value in row.account)
    notes = f" ({'; '.join(row.notes)})" if row.notes else ""
    return (
        f"| {row.calls} | {row.gateway:.1f} | {row.per_call:.3f} | {times} | {account} | "
        f"{late} of {frames} | {missed} | {row.memory:.2f} | {row.generator:.0f} %{notes} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 50, 100, 200, 300])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--loss", type=float, default=0.0, help="share of the probe's packets that are lost")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="by which its others leave late")
    parser.add_argument("--agent", default="", help="more lines for the agents' files")
    parser.add_argument("--under", nargs="*", default=[], help="a command to run the gateway under")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"\n{os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}, "
          f"{options.seconds} s each, chunks of {options.chunk_ms} ms; times in ms\n\n{HEADER}")  # fmt: skip
    rows = []
    for calls in options.calls:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), options)
            try:
                rows.append(bench.run(calls, options.seconds))
            finally:
                bench.close()
        print(line(rows[-1]), flush=True)
    if options.json:
        options.json.write_bytes(orjson.dumps([vars(row) for row in rows], option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
