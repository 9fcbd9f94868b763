"""Every scenario of sipp-scenarios/ against the demo, and what the gateway then knows of the call."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.e2e.conftest import ROOT, Demo, kinds, said
from tests.gatewayd import free_port

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]

FOLDER = ROOT / "sipp-scenarios"
ANSWER = "We are open Monday to Friday, from eight in the morning until six in the evening. Is there anything else?"


def run(demo: Demo, scenario: str, *options: str) -> None:
    command = [
        "sipp", f"127.0.0.1:{demo.sip_port}", "-sf", f"{scenario}.xml", "-s", "reception", "-i", "127.0.0.1",
        "-mi", "127.0.0.1", "-p", str(free_port()), "-m", "1", "-nostdin", "-timeout", "60", "-timeout_error",
        "-recv_timeout", "20000", *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]


def latest(demo: Demo) -> dict:
    return demo.call_of("sipp")


@pytest.mark.parametrize("options", [(), ("-t", "t1")], ids=["udp", "tcp"])
def test_ask(demo, options):
    run(demo, "ask", *options)
    record = latest(demo)
    assert said(record, "user") == ["what are your opening hours"]
    assert said(record, "assistant")[1] == ANSWER
    assert (record["outcome"], record["media"]["codec"]) == ("caller_hung_up", "PCMU")
    assert record["media"]["received_packets"] > 100


def test_barge_in(demo):
    run(demo, "barge_in")
    record = latest(demo)
    assert record["interruptions"] == 1
    heard = next(event["data"]["audio_end_ms"] for event in record["events"] if event["type"] == "interrupted")
    assert 0 < heard < 2800  # some of it, and not its end: how much depends on when a busy machine began to speak
    assert said(record, "user") == ["what are your opening hours"]


def test_transfer_accepted(demo):
    run(demo, "transfer_accepted")
    record = latest(demo)
    assert record["outcome"] == "transferred"
    started = next(event["data"] for event in record["events"] if event["type"] == "transfer_started")
    assert started == {"target": "billing", "uri": f"sip:billing@127.0.0.1:{demo.sip_port}"}


def test_transfer_refused(demo):
    run(demo, "transfer_refused")
    record = latest(demo)
    failed = next(event["data"] for event in record["events"] if event["type"] == "transfer_failed")
    assert failed["status"] == 603
    assert "I am sorry, billing cannot be reached right now. Can I do anything else for you?" in said(
        record, "assistant"
    )
    assert record["outcome"] == "agent_hung_up"


def test_agent_hangs_up(demo):
    run(demo, "agent_hangs_up")
    record = latest(demo)
    assert said(record, "assistant")[-1] == "Thank you for calling. Goodbye!"
    assert kinds(record)[-2:] == ["tool_call", "ended"]


def test_hold(demo):
    run(demo, "hold")
    record = latest(demo)
    assert said(record, "user") == ["goodbye"]
    assert record["outcome"] == "agent_hung_up"


def test_extensions(demo):
    run(demo, "extensions")
    record = latest(demo)
    assert [event["data"]["digit"] for event in record["events"] if event["type"] == "dtmf"] == ["3"]
    assert "transfer_failed" in kinds(record)


def test_options(demo):
    run(demo, "options")


def test_codec_refused(demo):
    run(demo, "codec_refused")
    assert latest(demo)["outcome"] == "no_common_codec"


def test_cancel(demo):
    run(demo, "cancel")
    assert latest(demo)["outcome"] == "cancelled"


def test_the_table_names_every_scenario():
    table = (FOLDER / "README.md").read_text()
    for path in FOLDER.glob("*.xml"):
        assert f"`{path.name}`" in table
