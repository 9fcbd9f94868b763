"""Kamailio in front of two gateways, which it asks by OPTIONS; and in front of one, with TLS on both sides."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.caller import Caller
from tests.certificates import make_certificate
from tests.e2e.conftest import GATEWAY
from tests.e2e.kamailio import KAMAILIO, kamailio, needs_kamailio
from tests.gatewayd import free_port, running, settings_for

pytestmark = [pytest.mark.e2e, needs_kamailio]

AGENT = "greeting: Good day.\ntranscription: {model: local}\n"
TLS = [path for path in Path("/usr").glob("lib*/**/kamailio/modules/tls.so")] if KAMAILIO else []


async def test_a_draining_gateway_gets_no_more_calls(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    port = free_port()
    async with (
        running(settings_for(tmp_path / "one", {"bob": AGENT})) as (one, _),
        running(settings_for(tmp_path / "two", {"bob": AGENT})) as (two, _),
    ):
        rows = tmp_path / "dispatcher.list"
        rows.write_text("".join(f"1 sip:127.0.0.1:{gateway.sip_port}\n" for gateway in (one, two)))

        async def taken_by() -> list[int]:
            callers = [Caller(port) for _ in range(4)]
            for caller in callers:
                await caller.__aenter__()
                assert await caller.invite() == 200
            found = [len(one.switchboard), len(two.switchboard)]
            for caller in callers:
                caller.bye()
            async with asyncio.timeout(5):
                while len(one.switchboard) or len(two.switchboard):
                    await asyncio.sleep(0.05)
            for caller in callers:
                await caller.__aexit__()
            return found

        with kamailio("dispatcher", tmp_path, port, PORT=port, LIST=rows):
            await asyncio.sleep(2.5)
            assert await taken_by() == [2, 2]
            one.switchboard.user_agent.core.draining = True
            await asyncio.sleep(2.5)
            assert await taken_by() == [0, 4]
            one.switchboard.user_agent.core.draining = False
            await asyncio.sleep(2.5)
            assert await taken_by() == [2, 2]


@pytest.mark.skipif(not TLS, reason="Kamailio's TLS is not installed (Debian: kamailio-tls-modules)")
async def test_a_call_by_tls_on_both_sides_of_a_proxy(tmp_path):
    pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")
    certificate, key, _ = make_certificate(tmp_path, "gateway")
    port, secure = free_port(), free_port()
    sip = {"port": 0, "tls": {"certificate": certificate, "key": key, "port": 0}}
    async with running(settings_for(tmp_path, {"bob": AGENT}, sip=sip)) as (gateway, events):
        words = {"PORT": port, "SECURE": secure, "CERTIFICATE": certificate, "PRIVATE": key}
        with kamailio("tls", tmp_path, port, **words, GATEWAY=gateway.switchboard.user_agent.tls_port):
            phone = await asyncio.create_subprocess_exec(
                GATEWAY, "phone", f"sip:bob@127.0.0.1:{secure}", "--tls", "--srtp", "--say", "hello", "--seconds", "30",
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            printed, _ = await asyncio.wait_for(phone.communicate(), 60)
            assert phone.returncode == 0, printed.decode()
            async with asyncio.timeout(5):
                while not (ended := [data["outcome"] for kind, data in events if kind == "ended"]):
                    await asyncio.sleep(0.05)
    assert ended == ["caller_hung_up"]
    assert "speech_started" in [kind for kind, _ in events]
