"""What takes minutes: an attacker, a provider that misbehaves, mutated input by the hundred thousand."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import media, wire

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.e2e, pytest.mark.long]


def run(*arguments):
    """What a script of the tests prints."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=1800, cwd=ROOT, check=False
    )
    print(done.stdout)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.returncode, done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root")
def test_an_attacker_costs_no_call_no_port_and_no_descriptor():
    code, printed = run("tests.attack")
    assert code == 0
    assert "0 ended, 0 packets missing" in printed
    found = re.findall(r"\(([\d., ]+)\)", printed[printed.index("descriptors, free ports") :])[:2]
    before, after = ([float(part) for part in one.split(", ")] for one in found)
    assert before[1:] == after[1:]  # ports and calls
    assert after[0] <= before[0] + 2  # Redis' pool opens a connection when two commands meet, and keeps it
    assert "the thief got 0" in printed
    assert "re-INVITE 200, BYE 200, another telephone 200" in printed
    assert "leaked: 0" in printed


def test_no_provider_makes_a_call_mute():
    code, printed = run("tests.misbehave", "30")
    assert code == 0
    assert "nothing" not in printed
    assert printed.count("0 calls left over") == 13
    assert all(int(sessions) <= 200 for sessions in re.findall(r": (\d+) sessions", printed))
    assert all("greeting" in line for line in printed.splitlines() if line.strip().startswith("pair:"))


def test_mutated_messages_by_udp_and_tcp():
    assert wire.run(100_000) == ""


def test_mutated_media_and_events():
    assert asyncio.run(media.run(100_000)) == ""
