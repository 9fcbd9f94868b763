"""What callers in menus cost: `python -m tests.bench_menus --calls 100 300`, which `make bench` runs too.

SIPp makes the calls, with RTP at real time. All are in one menu and hear a prompt of a minute; no provider is asked.
The gateway has one core to itself, SIPp the rest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from tests.bench import cpu, resident
from tests.bench_media import FRAMES, Bench
from tests.gatewayd import free_port, until_ready

CONFIG = """
log: {{level: warning}}
sip: {{host: 127.0.0.1, port: {sip}, trace_calls: 0, calls_per_second: 0, max_calls: 0, max_setups: 1000}}
http: {{port: {http}}}
media: {{first_port: 30000, last_port: 59999}}
agents: agents
prompts: {{long: {{file: long.wav}}}}
menus: {{main: {{says: {{prompt: long}}, keys: {{"1": agent:eve}}, wait_seconds: 1, tries: 10}}}}
routes: [{{called: "*", to: menu:main}}]
"""


class Menus(Bench):
    """The same, without a provider."""

    def __init__(self, folder: Path) -> None:
        self.sip, self.http = free_port(), free_port()
        (folder / "agents").mkdir()
        (folder / "agents" / "eve.yaml").write_text("greeting: Hello.\n")
        with wave.open(str(folder / "long.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(24000)
            moments = np.arange(60 * 24000) / 24000
            file.writeframes((6000 * np.sin(2 * np.pi * (300 * moments + 8 * moments**2))).astype("<i2").tobytes())
        (folder / "gateway.yaml").write_text(CONFIG.format(sip=self.sip, http=self.http))
        self._log = (folder / "log").open("wb")
        cores = sorted(os.sched_getaffinity(0))
        self.rest = ["taskset", "-c", ",".join(map(str, cores[1:] or cores))]
        serve = [Path(sys.executable).parent / "gateway", "serve", "-c", folder / "gateway.yaml"]
        self.gateway = subprocess.Popen(["taskset", "-c", str(cores[0]), *serve], stdout=self._log, stderr=self._log)
        until_ready(self.http)

    def measure(self, calls: int, seconds: int) -> str:
        empty, ramp = resident(self.gateway.pid), calls // 20 + 3
        load = self.sipp(calls, seconds + ramp + 8)
        time.sleep(ramp)
        before, made, metrics, began = cpu(self.gateway.pid), cpu(load.pid), self.metrics(), time.monotonic()
        time.sleep(seconds)
        elapsed = time.monotonic() - began
        used, generator, later = cpu(self.gateway.pid) - before, cpu(load.pid) - made, self.metrics()
        memory, live = (resident(self.gateway.pid) - empty) / calls, int(later["gateway_calls_live"])
        load.wait(180)
        frames, late, missed = (int(later[name] - metrics[name]) for name in FRAMES)
        share = used / elapsed * 100
        note = "" if live == calls else f" (only {live} were live: does not count)"
        return (
            f"| {calls} | {share:.1f} | {share / calls:.3f} | {late} of {frames} | {missed} | {memory:.2f} | "
            f"{generator / elapsed * 100:.0f} %{note} |"
        )

    def close(self) -> None:
        self.gateway.terminate()
        time.sleep(0.3)
        self.gateway.terminate()
        self.gateway.wait(30)
        self._log.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[100, 300])
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    print("\n| callers in a menu | gateway, % of a core | per caller | late > 5 ms | > 20 ms | MB each | generator |")
    print("|---|---|---|---|---|---|---|")
    for calls in options.calls:
        with tempfile.TemporaryDirectory() as folder:
            bench = Menus(Path(folder))
            try:
                print(bench.measure(calls, options.seconds), flush=True)
            finally:
                bench.close()


if __name__ == "__main__":
    main()
