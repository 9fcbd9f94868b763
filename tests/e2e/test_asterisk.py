"""Asterisk itself as the trunk, by its profile: registration, calls both ways, transfers, hold, TLS and SRTP."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager

import pytest

from gateway.bridge import OutboundCall
from gateway.sip import OutgoingInvite
from tests.certificates import make_certificate
from tests.e2e.asterisk import asterisk, needs_asterisk
from tests.e2e.test_trunks import until
from tests.gatewayd import free_port, running, settings_for

pytestmark = [pytest.mark.e2e, needs_asterisk]

AGENT = "greeting: Good day.\ntransfer_targets: {colleague: tel:601}\n"


@asynccontextmanager
async def registered(tmp_path, monkeypatch, secure=False, agent=AGENT, **more):
    """A gateway that has registered with an Asterisk, by the profile; its digest has another name."""
    monkeypatch.setenv("ASTERISK_PASSWORD", "secret")
    port, tls = free_port(), free_port()
    certificate, key, _ = make_certificate(tmp_path, "asterisk")
    row = {
        "name": "pbx", "profile": "asterisk", "peers": ["127.0.0.1"], "register_seconds": 120,
        "options_ping_seconds": 1,
        "server": f"sip:127.0.0.1:{tls};transport=tls" if secure else f"sip:127.0.0.1:{port}",
        "login": {"username": "gateway", "auth_user": "another-name", "password_env": "ASTERISK_PASSWORD"},
    }  # fmt: skip
    sip = {"port": 0}
    if secure:
        row |= {"srtp": "required", "tls": {"ca": certificate}}
        sip["tls"] = {"certificate": certificate, "key": key, "port": 0}
    settings = settings_for(tmp_path, {"bob": agent}, trunks=[row | more], sip=sip)
    options = "media_encryption=sdes\n" if secure else ""
    with asterisk(port, tls, certificate, key, options) as pbx:
        async with running(settings) as (gateway, events):
            agent_ = gateway.switchboard.user_agent
            async with asyncio.timeout(15):
                while agent_.registrations["pbx"].problem or not agent_.health["pbx"].servers:
                    await asyncio.sleep(0.05)
            yield pbx, gateway, events


async def originate(pbx, number="500"):
    """A call of Asterisk's to us: a tone on its side, and the two of them bridged there."""
    said = await asyncio.to_thread(pbx.cli, f"channel originate Local/{number}@to-gateway application Milliwatt")
    assert "fail" not in said.lower()


async def shown(pbx, pattern, command="core show channels concise", seconds=10):
    """Until Asterisk's own list of channels has it."""
    async with asyncio.timeout(seconds):
        while not re.search(pattern, listed := await asyncio.to_thread(pbx.cli, command)):
            await asyncio.sleep(0.1)
    return listed


@pytest.mark.parametrize("secure", [False, True], ids=["UDP", "TLS and SRTP"])
async def test_it_registers_is_called_and_calls(tmp_path, monkeypatch, secure):
    media, tones = [], []
    async with registered(tmp_path, monkeypatch, secure) as (pbx, gateway, events):
        gateway.sinks.append(lambda event, record: media.append(record.get("media") or {}))
        state = gateway.switchboard.user_agent.trunk_state(gateway.switchboard.trunk("pbx"))
        assert (state["registration"]["problem"], 110 < state["registration"]["seconds"] <= 120) == ("", True)
        assert state["registration"]["contact"].startswith("sip:gateway@127.0.0.1:")
        async with asyncio.timeout(5):
            while not all(one.up for one in gateway.switchboard.user_agent.health["pbx"].servers.values()):
                await asyncio.sleep(0.05)
        call_id = gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite("600", gateway.switchboard.trunk(""))))
        await until(events, "answered")
        assert "Milliwatt" in await shown(pbx, "Milliwatt")
        async with asyncio.timeout(10):
            while gateway.switchboard.find(call_id).leg.rtp.stats()["received_packets"] < 40:
                await asyncio.sleep(0.05)
        tones.append(gateway.switchboard.find(call_id).leg.voices()[0])
        gateway.switchboard.command("hangup", call_id, {})
        await until(events, "ended")
        events.clear()
        await originate(pbx, "500")
        await until(events, "answered")
        (call,) = gateway.switchboard.calls
        assert (call.info.called.user, call.info.trunk) == ("500", "pbx")
        async with asyncio.timeout(10):
            while call.leg.rtp.stats()["received_packets"] < 40:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(pbx.cli, "channel request hangup all")
        assert (await until(events, "ended"))["outcome"] == "caller_hung_up"
    assert len(set(tones[0])) > 3  # a tone, and not silence
    heard = [one for one in media if one.get("received_packets")]
    assert len(heard) == 2
    for one in heard:
        assert one["srtp"] == ("AES_CM_128_HMAC_SHA1_80" if secure else "")
        assert one["received_garbage"] == 0


async def test_nobody_is_reached_and_it_says_why(tmp_path, monkeypatch):
    async with registered(tmp_path, monkeypatch) as (_, gateway, events):
        for number, outcome, words in (
            ("603", "busy", "486"),
            ("999", "invalid_number", "no extension for that number"),
        ):
            events.clear()
            trunk = gateway.switchboard.trunk("")
            gateway.switchboard.dial(OutboundCall("bob", OutgoingInvite(number, trunk)))
            ended = await until(events, "ended")
            assert ended["outcome"] == outcome
            assert words in ended["problem"]


async def test_a_caller_of_its_is_transferred_to_a_bare_number(tmp_path, monkeypatch):
    async with registered(tmp_path, monkeypatch) as (pbx, gateway, events):
        await originate(pbx)
        await until(events, "answered")
        await asyncio.sleep(0.5)
        (call,) = gateway.switchboard.calls
        gateway.switchboard.command("transfer", call.info.call_id, {"to": "601"})
        assert (await until(events, "ended"))["outcome"] == "transferred"
        await shown(pbx, r"!from-gateway!601!")
        assert "transfer_dialing" not in [kind for kind, _ in events]  # Asterisk did it


async def test_an_attended_transfer_ends_with_the_two_joined_there(tmp_path, monkeypatch):
    """The gateway calls the target, and Asterisk takes that call's place by REFER with Replaces."""
    async with registered(tmp_path, monkeypatch, agent=AGENT + "transfer: attended\n") as (pbx, gateway, events):
        await originate(pbx)
        await until(events, "answered")
        await asyncio.sleep(0.5)
        (call,) = gateway.switchboard.calls
        asked = {"to": "tel:602", "mode": "attended"}
        gateway.switchboard.command("transfer", call.info.call_id, asked)
        ended = await until(events, "ended", 20)
        assert ended["outcome"] == "transferred"
        assert not ended.get("bridged")
        assert "transfer_dialing" in [kind for kind, _ in events]
        await asyncio.sleep(0.5)
        listed = await shown(pbx, "602")
        assert "PJSIP" not in listed  # no leg of ours is left: the caller talks with the target


async def test_hold_and_back(tmp_path, monkeypatch):
    async with registered(tmp_path, monkeypatch) as (pbx, gateway, events):
        await originate(pbx)
        await until(events, "answered")
        await asyncio.sleep(0.5)
        (call,) = gateway.switchboard.calls
        session = call.leg.session
        for on, direction in ((True, b"a=sendonly"), (False, b"a=sendrecv")):
            gateway.switchboard.command("hold", call.info.call_id, {"on": on})
            async with asyncio.timeout(5):
                while direction not in session.description or session._ours is not None:
                    await asyncio.sleep(0.05)
        before = call.leg.rtp.stats()["received_packets"]
        await asyncio.sleep(1)
        assert call.leg.rtp.stats()["received_packets"] > before + 30
        assert len(gateway.switchboard) == 1


async def test_an_asterisk_that_goes_away_is_told_and_one_that_comes_back_too(tmp_path, monkeypatch):
    async with registered(tmp_path, monkeypatch) as (pbx, gateway, _):
        health = gateway.switchboard.user_agent.health["pbx"]
        pbx.cli("core stop now")
        async with asyncio.timeout(15):
            while not health.down:
                await asyncio.sleep(0.1)
        assert "no server of the trunk pbx answers" in gateway.warnings
