"""Through a proxy with two interfaces: what the gateway asks in a dialog has to take both of its Record-Routes back."""

from __future__ import annotations

import asyncio
import shutil
import subprocess

import pytest

from tests.e2e.conftest import GATEWAY, Demo, kinds
from tests.e2e.kamailio import kamailio, needs_kamailio
from tests.e2e.test_sipp import FOLDER
from tests.gatewayd import free_port, running, settings_for

pytestmark = [
    pytest.mark.e2e,
    needs_kamailio,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian: sip-tester)"),
]


@pytest.fixture(scope="module")
def proxy(demo: Demo, tmp_path_factory):
    """The port of a running proxy in front of the demo."""
    outer = free_port()
    folder = tmp_path_factory.mktemp("kamailio")
    with kamailio("proxy", folder, outer, OUTER=outer, INNER=free_port(), GATEWAY=demo.sip_port):
        yield outer


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ("ask", "caller_hung_up"),
        ("agent_hangs_up", "agent_hung_up"),
        ("transfer_accepted", "transferred"),
        ("hold", "agent_hung_up"),
    ],
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


CLERK = """
greeting: Hello.
transcription: {model: local}
tools: [transfer_call]
transfer: attended
transfer_targets: {billing: "sip:billing@127.0.0.1:PORT"}
local:
  rules:
    - hears: transfer me to billing
      says: One moment.
      calls: transfer_call
      arguments: {target: billing, summary: Somebody calls about an invoice.}
"""
BILLING = """
greeting: Billing here.
transcription: {model: local}
tools: [hang_up]
local:
  rules:
    - hears: goodbye
      says: Goodbye then.
      calls: hang_up
"""


async def test_an_attended_transfer_through_two_record_routes(tmp_path):
    """PJSIP follows our REFER with Replaces to a second gateway, where it takes our place; all by the proxy."""
    pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")
    for folder in ("clerk", "billing"):
        (tmp_path / folder).mkdir()
    outer, inner, ours = free_port(), free_port(), free_port()
    async with running(settings_for(tmp_path / "billing", {"eve": BILLING})) as (billing, there):
        clerk = CLERK.replace("PORT", str(billing.sip_port))
        trunk = {"name": "t", "peers": ["127.0.0.0/8"], "proxy": f"sip:127.0.0.2:{inner};lr", "server": "sip:127.0.0.1"}
        settings = settings_for(tmp_path / "clerk", {"bob": clerk}, trunks=[trunk], sip={"port": ours})
        with kamailio("proxy", tmp_path, outer, OUTER=outer, INNER=inner, GATEWAY=ours):
            async with running(settings) as (gateway, here):
                phone = await asyncio.create_subprocess_exec(
                    GATEWAY, "phone", f"sip:bob@127.0.0.1:{outer}", "--say", "transfer me to billing",
                    "--say", "goodbye", "--seconds", "40", stdout=asyncio.subprocess.PIPE,
                )  # fmt: skip
                printed, _ = await asyncio.wait_for(phone.communicate(), 60)
                async with asyncio.timeout(10):
                    while len(gateway.switchboard) or len(billing.switchboard):
                        await asyncio.sleep(0.05)
    assert phone.returncode == 0, printed.decode()
    ended = [data["outcome"] for kind, data in here if kind == "ended"]
    assert ended == ["transferred"], printed.decode()
    assert [kind for kind, _ in there].count("replaced") == 1
    assert [data["outcome"] for kind, data in there if kind == "ended"] == ["agent_hung_up"]
    assert [data["text"] for kind, data in there if kind == "transcript" and data["role"] == "user"] == ["goodbye"]
