"""What it costs the media that somebody looks on: `python -m tests.bench_watched --calls 200`.

The media bench three times in one run: alone, then with the dashboard open in a real Chromium and the API polled twenty
times a second, at the node that has the calls, and at another one. Redis has a core that is not the gateway's.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tests.bench_media import HEADER, Bench, line
from tests.bench_outage import start
from tests.gatewayd import free_port, until_ready

POLLS = 20  # a second

DASHBOARD = """
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as started:
    chromium = started.chromium.launch(executable_path=sys.argv[1], args=["--no-sandbox", "--disable-gpu"])
    page = chromium.new_page()
    page.goto(sys.argv[2])
    page.locator("#link", has_text="live").wait_for()
    print("open", flush=True)
    sys.stdin.read()
    print(page.locator("tr[data-call]").count(), flush=True)
    chromium.close()
"""


class Onlookers:
    """A browser, and a program that polls, at the API of one node."""

    def __init__(self, bench: Bench, http: int) -> None:
        self._url = f"http://127.0.0.1:{http}"
        chromium = shutil.which("chromium") or "chromium"
        command = [*bench.rest, sys.executable, "-c", DASHBOARD, chromium, f"{self._url}/"]
        self._browser = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._browser.stdout is not None
        assert self._browser.stdout.readline() == "open\n"
        self._stop = threading.Event()
        self.took: list[float] = []
        self._thread = threading.Thread(target=self._poll)
        self._thread.start()

    def _poll(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            began = time.monotonic()
            urllib.request.urlopen(f"{self._url}/v1/calls?limit=50", timeout=10).read()
            self.took.append((time.monotonic() - began) * 1000)
            due += 1 / POLLS
            time.sleep(max(0.0, due - time.monotonic()))

    def close(self) -> str:
        """What was seen."""
        self._stop.set()
        self._thread.join()
        seen, _ = self._browser.communicate("", timeout=30)
        polls = sorted(self.took)
        half, most = polls[len(polls) // 2], polls[int(len(polls) * 0.99)]
        return f"{len(polls)} polls, {half:.1f} ms p50, {most:.1f} ms p99; {seen.strip()} rows in the browser"


def other_node(bench: Bench, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Another node on the same Redis, which has no calls; and the port of its API."""
    sip, http = free_port(), free_port()
    text = (folder / "gateway.yaml").read_text()
    text = re.sub(r"(sip: .*port: )\d+", rf"\g<1>{sip}", text)
    (folder / "other.yaml").write_text(re.sub(r"(http: .*port: )\d+", rf"\g<1>{http}", text))
    command = [*bench.rest, Path(sys.executable).parent / "gateway", "serve", "-c", folder / "other.yaml"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until_ready(http)
    return process, http


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    port = free_port()
    more = f"redis: {{url: 'redis://127.0.0.1:{port}'}}\nlog: {{level: warning}}\n"
    options.__dict__ |= {"chunk_ms": 20, "loss": 0.0, "jitter_ms": 0.0, "agent": "", "under": [], "config": more}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(cores[1:] or cores))  # for Redis, which is somebody else's load
    print(f"\n{HEADER}")
    for how in ("alone", "watched here", "watched from another node"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            redis = start(folder, port)
            time.sleep(0.5)
            os.sched_setaffinity(0, set(cores))
            bench = Bench(folder, options)
            other, http = other_node(bench, folder) if "another" in how else (None, bench.http)
            try:
                onlookers = None if how == "alone" else Onlookers(bench, http)
                row = bench.run(options.calls, options.seconds)
                print(f"{how} {line(row)}", flush=True)
                if onlookers:
                    print(onlookers.close(), flush=True)
            finally:
                if other:
                    other.terminate()
                    other.wait()
                bench.close()
                redis.terminate()
                redis.wait()
                os.sched_setaffinity(0, set(cores[1:] or cores))


if __name__ == "__main__":
    main()
