"""Through a proxy with two interfaces: what the gateway asks in a dialog has to take both of its Record-Routes back."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Demo, kinds
from tests.e2e.test_sipp import FOLDER
from tests.gatewayd import free_port

KAMAILIO = shutil.which("kamailio") or shutil.which("/usr/sbin/kamailio")  # where only root's PATH leads

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(KAMAILIO is None, reason="Kamailio is not installed (Debian: kamailio)"),
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]

CONFIG = Path(__file__).parent / "kamailio.cfg"


@pytest.fixture(scope="module")
def proxy(demo: Demo, tmp_path_factory):
    """The port of a running proxy in front of the demo."""
    folder = tmp_path_factory.mktemp("kamailio")
    outer, inner = free_port(), free_port()
    text = CONFIG.read_text()
    for word, value in (("OUTER", outer), ("INNER", inner), ("GATEWAY", demo.sip_port)):
        text = text.replace(word, str(value))
    (folder / "kamailio.cfg").write_text(text)
    command = [KAMAILIO, "-f", str(folder / "kamailio.cfg"), "-DD", "-E", "-Y", str(folder), "-m", "32", "-M", "4"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    ask = (
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKask;rport\r\n"
        "From: <sip:a@b>;tag=1\r\n"
        "To: <sip:c@d>\r\nCall-ID: ask\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 0\r\nContent-Length: 0\r\n\r\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.3)
        for _ in range(40):
            try:
                probe.sendto(ask.encode(), ("127.0.0.1", outer))
                probe.recv(2000)
                break
            except OSError:
                time.sleep(0.1)
        else:
            process.kill()
            raise TimeoutError((folder / "log").read_text())
    yield outer
    process.terminate()
    process.wait(20)


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [("ask", "caller_hung_up"), ("agent_hangs_up", "agent_hung_up"), ("transfer_accepted", "transferred")],
)
def test_calls_through_two_record_routes(demo, proxy, scenario, outcome):
    command = [
        "sipp", f"127.0.0.1:{proxy}", "-sf", f"{scenario}.xml", "-s", "reception", "-i", "127.0.0.1",
        "-mi", "127.0.0.1", "-p", str(free_port()), "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error",
        "-recv_timeout", "20000",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    record = demo.call_of("sipp")
    assert record["outcome"] == outcome
    assert "answered" in kinds(record)
