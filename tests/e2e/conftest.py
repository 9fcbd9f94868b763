"""One demo for all end-to-end tests: the gateway as `make demo` runs it, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gatewayd import free_port

ROOT = Path(__file__).parent.parent.parent
GATEWAY = Path(sys.executable).parent / "gateway"


@dataclass
class Demo:
    sip_port: int
    http_port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=5) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        return status, json.loads(body) if body[:1] in (b"{", b"[") else body.decode()

    def call_of(self, caller: str, seconds: float = 10) -> dict[str, Any]:
        """The latest call of this caller, with its events, once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            calls = [one for one in self.get("/v1/calls")[1]["data"] if one["caller"] == f"sip:{caller}@127.0.0.1"]
            if calls and calls[0]["state"] == "ended":
                status, record = self.get(f"/v1/calls/{calls[0]['call_id']}")
                assert status == 200
                if record["events"] and record["events"][-1]["type"] == "ended":
                    return record
            time.sleep(0.1)
        raise TimeoutError(f"no call of {caller} has ended")


def said(record: dict[str, Any], role: str) -> list[str]:
    return [line["text"] for line in record["transcript"] if line["role"] == role]


def kinds(record: dict[str, Any]) -> list[str]:
    return [event["type"] for event in record["events"]]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    sip_port, http_port = free_port(), free_port()
    log = tmp_path_factory.mktemp("demo") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [GATEWAY, "demo", "--sip-port", str(sip_port), "--http-port", str(http_port)],
            stdout=output, stderr=subprocess.STDOUT, cwd=log.parent,
        )  # fmt: skip
    one = Demo(sip_port, http_port, process, log)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if one.get("/ready")[0] == 200:
                break
        except OSError:
            pass
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    else:
        raise TimeoutError(log.read_text())
    yield one
    process.terminate()
    assert process.wait(20) == 0
    assert "Traceback" not in log.read_text()


@pytest.fixture
def phone(demo: Demo, request: pytest.FixtureRequest):
    """`phone("--say", "yes")`: `gateway phone` to the demo's receptionist; what it printed and the call's record.

    On PJSIP, or as the test says by a parameter: "own".
    """
    stack = getattr(request, "param", "pjsip")
    if stack == "pjsip":
        pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")

    def call(*options: str, to: str = "reception", **_: Any) -> tuple[str, dict[str, Any]]:
        caller = f"phone{free_port()}"
        done = subprocess.run(
            [GATEWAY, "phone", f"sip:{to}@127.0.0.1:{demo.sip_port}", "--caller", caller, "--stack", stack,
             "--url", f"http://127.0.0.1:{demo.http_port}", *options],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, demo.call_of(caller)

    return call
