"""Calls with two telephone parties: real sockets, real speech, and a second gateway as whoever is called."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.sip.transaction.timers import Timing
from tests.caller import Caller
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

CLERK = """
greeting: Hello.
transcription: {model: local}
tools: [transfer_call]
transfer: MODE
transfer_targets: {billing: "sip:billing@127.0.0.1:PORT"}
local:
  rules:
    - hears: goodbye
      says: One moment.
      calls: transfer_call
      arguments: {target: billing, summary: Somebody calls about an invoice.}
"""
BILLING = """
greeting: Billing here.
transcription: {model: local}
local:
  rules:
    - hears: goodbye
      says: Goodbye then.
"""


@asynccontextmanager
async def talking(tmp_path, mode="blind", **trunk):
    """A caller who has asked the clerk to be transferred; billing is another gateway."""
    for folder in ("clerk", "billing"):
        (tmp_path / folder).mkdir()
    async with running(settings_for(tmp_path / "billing", {"eve": BILLING})) as (billing, there):
        clerk = CLERK.replace("PORT", str(billing.sip_port)).replace("MODE", mode)
        trunks = [{"name": "t", "peers": ["127.0.0.1"], "server": f"sip:127.0.0.1:{billing.sip_port}"} | trunk]
        settings = settings_for(tmp_path / "clerk", {"bob": clerk}, trunks=trunks)
        async with running(settings) as (gateway, here), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            await call.talk(narrowband("goodbye"))
            yield call, gateway, here, billing, there


async def until(condition, call, seconds=15):
    async with asyncio.timeout(seconds):
        while not condition():
            await call.silence(0.1)


def kinds(events):
    return [kind for kind, _ in events]


def said(events, role):
    return [data["text"] for kind, data in events if kind == "transcript" and data["role"] == role]


@needs_ears
async def test_the_two_hear_each_other_through_us(tmp_path):
    async with talking(tmp_path, transfer="bridge") as (call, gateway, here, _, there):
        await until(lambda: "bridged" in kinds(here), call)
        before = len(call.packets)
        await until(lambda: said(there, "assistant"), call)
        await call.silence(2)
        assert sum(not packet.silent for packet in call.packets[before:]) > 25  # billing's greeting
        await call.talk(narrowband("goodbye"))
        await until(lambda: "Goodbye then." in said(there, "assistant"), call)
        assert said(there, "user") == ["goodbye"]
        assert not [text for text in call.requests if text.startswith("REFER")]
        held = [text for text in call.requests if text.startswith("INVITE")]
        assert ["a=sendonly" in text for text in held] == [True, False]
        call.bye()
        await until(lambda: not len(gateway.switchboard), call)
        await until(lambda: "ended" in kinds(there), call)
    assert [data["outcome"] for kind, data in here if kind == "ended"] == ["transferred"]
    assert "caller_hung_up" in [data.get("outcome") for _, data in there]


@needs_ears
async def test_music_while_it_rings_and_the_agent_again_where_nobody_is_there(tmp_path):
    async with talking(tmp_path, transfer="bridge") as (call, gateway, here, billing, _):
        billing.switchboard.user_agent.core.draining = True  # 503 for every call
        await until(lambda: "transfer_failed" in kinds(here), call)
        assert next(data["status"] for kind, data in here if kind == "transfer_failed") == 503
        assert (len(gateway.switchboard), len(gateway.switchboard.resources.clock)) == (1, 1)
        call.bye()
        await until(lambda: not len(gateway.switchboard), call)


@pytest.mark.parametrize(("status", "end"), [(202, "refer"), (405, "bridge")])
@needs_ears
async def test_attended_the_target_is_told_and_then_takes_our_place(tmp_path, status, end):
    async with talking(tmp_path, mode="attended", transfer="auto") as (call, gateway, here, billing, there):
        call.refer_status = status
        await until(lambda: any(text.startswith("REFER") for text in call.requests), call, 25)
        refer = next(text for text in call.requests if text.startswith("REFER"))
        (other,) = billing.switchboard.calls
        assert f"?Replaces={other.info.sip_call_id}%3B" in refer
        assert said(here, "assistant")[-1] == "Somebody calls about an invoice."
        if end == "bridge":
            await until(lambda: "bridged" in kinds(here), call)
            call.bye()
        else:
            call.notify("SIP/2.0 200 OK")
        await until(lambda: not len(gateway.switchboard), call)
        await until(lambda: "ended" in kinds(there), call)
    assert [data["outcome"] for kind, data in here if kind == "ended"] == ["transferred"]


@needs_ears
async def test_somebody_else_takes_the_callers_place(tmp_path):
    """RFC 3891: an INVITE with Replaces, as a desk telephone sends it that picks the call up."""
    async with (
        running(settings_for(tmp_path, {"eve": BILLING})) as (gateway, events),
        Caller(gateway.sip_port) as first,
        Caller(gateway.sip_port) as second,
    ):
        assert await first.invite() == 200
        await first.until_quiet()
        second.headers = f"Replaces: {first.dialog}\r\n"
        assert await second.invite() == 200
        async with asyncio.timeout(5):
            await first.over.wait()
        assert len(gateway.switchboard) == 1
        await second.talk(narrowband("goodbye"))
        await until(lambda: "Goodbye then." in said(events, "assistant"), second)
        await second.silence(1)
        assert sum(not packet.silent for packet in second.packets) > 20
        second.bye()
        await until(lambda: not len(gateway.switchboard), second)
    assert kinds(events).count("ended") == 1
    assert kinds(events).count("replaced") == 1


@needs_ears
async def test_a_target_that_hangs_up_before_it_was_told_all_leaves_nothing_behind(tmp_path):
    async with talking(tmp_path, mode="attended", transfer="bridge") as (call, gateway, here, billing, _):
        await until(
            lambda: len(gateway.switchboard.resources.clock) == 2, call
        )  # billing has picked up, and is being told
        billing.switchboard.command("hangup", billing.switchboard.calls[0].info.call_id, {})
        await until(lambda: "transfer_failed" in kinds(here), call)
        assert (len(gateway.switchboard), len(gateway.switchboard.resources.clock)) == (1, 1)
        await call.silence(0.3)
        call.bye()
        await until(lambda: not len(gateway.switchboard), call)


@needs_ears
async def test_a_refer_of_the_peers_is_followed_and_the_agent_goes_on_with_somebody_else(tmp_path):
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    async with running(settings_for(tmp_path / "there", {"ann": BILLING})) as (other, there):
        trunk = {"name": "t", "peers": ["127.0.0.1"], "follow_refer": True}
        settings = settings_for(tmp_path / "here", {"eve": BILLING}, trunks=[trunk])
        async with running(settings) as (gateway, here), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            call.refer(f"sip:ann@127.0.0.1:{other.sip_port}")
            await until(lambda: "replaced" in kinds(here), call)
            async with asyncio.timeout(5):
                await call.over.wait()  # our BYE: it is needed no more
            notified = [text.rpartition("\r\n\r\n")[2].strip() for text in call.requests if "NOTIFY" in text[:6]]
            assert (notified[0], notified[-1]) == ("SIP/2.0 100 Trying", "SIP/2.0 200 OK")
            assert (len(gateway.switchboard), len(gateway.switchboard.resources.clock)) == (1, 1)
            async with asyncio.timeout(15):
                while "Billing here." not in said(there, "assistant") or not said(here, "user"):
                    await asyncio.sleep(0.1)  # the two agents hear each other
            other.switchboard.command("hangup", other.switchboard.calls[0].info.call_id, {})
            async with asyncio.timeout(5):
                while len(gateway.switchboard):
                    await asyncio.sleep(0.05)
    assert [data["outcome"] for kind, data in here if kind == "ended"] == ["caller_hung_up"]


@needs_ears
async def test_a_refer_to_somebody_who_is_not_there_leaves_the_call_as_it_was(tmp_path):
    trunk = {"name": "t", "peers": ["127.0.0.1"], "follow_refer": True}
    settings = settings_for(tmp_path, {"eve": BILLING}, trunks=[trunk])
    async with running(settings) as (gateway, here), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.until_quiet()
        gateway.switchboard.user_agent.core.timing = Timing(t1=0.05)  # 64 * T1 are 3.2 s, not 32
        call.refer("sip:nobody@127.0.0.1:9")
        await until(lambda: "refer_failed" in kinds(here), call)
        await call.talk(narrowband("goodbye"))
        await until(lambda: "Goodbye then." in said(here, "assistant"), call)
        assert (len(gateway.switchboard), len(gateway.switchboard.resources.clock)) == (1, 1)
        call.bye()
        await until(lambda: not len(gateway.switchboard), call)
    assert any("SIP/2.0 503" in text or "SIP/2.0 408" in text for text in call.requests if text.startswith("NOTIFY"))


async def test_who_sends_the_agent_away_and_hangs_up_at_once_has_done_so(tmp_path):
    """A blind transfer, as telephones make it: REFER, 202, BYE."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    async with running(settings_for(tmp_path / "there", {"ann": BILLING})) as (other, there):
        trunk = {"name": "t", "peers": ["127.0.0.1"], "follow_refer": True}
        settings = settings_for(tmp_path / "here", {"eve": BILLING}, trunks=[trunk])
        async with running(settings) as (gateway, here), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.silence(0.3)
            call.refer(f"sip:ann@127.0.0.1:{other.sip_port}")
            await call.silence(0.01)
            call.bye()
            await until(lambda: "replaced" in kinds(here), call)
            await until(lambda: said(there, "assistant"), call)
            assert (len(gateway.switchboard), len(gateway.switchboard.resources.clock)) == (1, 1)
            gateway.switchboard.command("hangup", gateway.switchboard.calls[0].info.call_id, {})
            await until(lambda: "ended" in kinds(there), call)
    assert [data["outcome"] for kind, data in here if kind == "ended"] == ["hung_up_by_request"]
