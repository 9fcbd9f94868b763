"""What it costs the media that somebody looks on: `python -m tests.bench_watched --calls 200`.

The media bench twice in one run: alone, and with the dashboard open in a real Chromium and the API polled twenty times
a second. Prints both rows.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tests.bench_media import HEADER, Bench, line

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
    """A browser, and a program that polls."""

    def __init__(self, bench: Bench) -> None:
        self._url = f"http://127.0.0.1:{bench.http}"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    options.__dict__ |= {"chunk_ms": 20, "loss": 0.0, "jitter_ms": 0.0, "agent": "", "under": []}
    print(f"\n{HEADER}")
    for watched in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), options)
            try:
                onlookers = Onlookers(bench) if watched else None
                row = bench.run(options.calls, options.seconds)
                print(f"{'watched' if watched else 'alone'} {line(row)}", flush=True)
                if onlookers:
                    print(onlookers.close(), flush=True)
            finally:
                bench.close()


if __name__ == "__main__":
    main()
