"""A trunk that registers with Kamailio, which asks for a password: kept, lost, found again, and called by."""

from __future__ import annotations

import asyncio
import itertools
import os

import pytest

from tests.caller import Caller
from tests.e2e.kamailio import kamailio, kill, needs_kamailio
from tests.gatewayd import free_port, running, settings_for

pytestmark = [pytest.mark.e2e, needs_kamailio]

AWAY_SECONDS = float(os.environ.get("REGISTRAR_AWAY_SECONDS", "8"))


def settings(tmp_path, port, monkeypatch, **more):
    monkeypatch.setenv("TRUNK_PASSWORD", "secret")
    trunk = {
        "name": "acme", "server": f"sip:127.0.0.1:{port}", "domain": "gateways", "register_seconds": 10,
        "login": {"username": "bob", "password_env": "TRUNK_PASSWORD"},
    }  # fmt: skip
    return settings_for(tmp_path, {"bob": "greeting: Good day.\n"}, trunks=[trunk | more])


async def registered(gateway, yes=True, seconds=60):
    async with asyncio.timeout(seconds):
        while bool(gateway.switchboard.user_agent.registrations["acme"].problem) is yes:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_it_registers_stays_registered_and_is_called_through_its_registrar(tmp_path, monkeypatch, algorithm):
    port = free_port()
    with kamailio("registrar", tmp_path, port, PORT=port, ALGORITHM=algorithm):
        async with running(settings(tmp_path, port, monkeypatch)) as (gateway, events):
            await registered(gateway)
            async with Caller(port, user="bob") as call:
                assert await call.invite() == 200
                await call.until_quiet()
                call.bye()
            await asyncio.sleep(6)  # beyond one refresh
            await registered(gateway)
    assert [data["outcome"] for kind, data in events if kind == "ended"] == ["caller_hung_up"]


async def test_a_wrong_password_is_told(tmp_path, monkeypatch):
    port = free_port()
    monkeypatch.setenv("WRONG", "wrong")
    login = {"username": "bob", "password_env": "WRONG"}
    with kamailio("registrar", tmp_path, port, PORT=port, ALGORITHM="SHA-256"):
        async with running(settings(tmp_path, port, monkeypatch, login=login)) as (gateway, _):
            async with asyncio.timeout(5):
                while gateway.switchboard.user_agent.registrations["acme"].problem != "401 Unauthorized":
                    await asyncio.sleep(0.05)


async def test_a_registrar_that_goes_away_does_not_touch_a_call(tmp_path, monkeypatch):
    port = free_port()
    words = {"PORT": port, "ALGORITHM": "SHA-256"}
    async with running(settings(tmp_path, port, monkeypatch)) as (gateway, events):
        with kamailio("registrar", tmp_path, port, **words) as process:
            await registered(gateway)
            async with Caller(gateway.sip_port, user="bob") as call:
                assert await call.invite() == 200
                kill(process)
                await call.silence(AWAY_SECONDS)
                pairs = list(itertools.pairwise(call.packets))
                gaps = [after.at - before.at for before, after in pairs]
                assert len(call.packets) > 45 * AWAY_SECONDS
                assert {(after.timestamp - before.timestamp) % 2**32 for before, after in pairs} == {160}
                print(
                    f"away for {AWAY_SECONDS:g} s: {len(call.packets)} packets, longest gap {max(gaps) * 1000:.0f} ms"
                )
                call.bye()
        if AWAY_SECONDS > 40:
            assert gateway.switchboard.user_agent.registrations["acme"].problem == "no answer"
        with kamailio("registrar", tmp_path, port, **words):
            async with asyncio.timeout(60):
                while True:  # its memory is empty until we register anew
                    async with Caller(port, user="bob") as call:
                        if await call.invite() == 200:
                            call.bye()
                            await asyncio.sleep(0.3)
                            break
                    await asyncio.sleep(0.5)
            await registered(gateway)
    assert [data["outcome"] for kind, data in events if kind == "ended"] == ["caller_hung_up"] * 2
