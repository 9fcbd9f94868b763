"""A gateway with real sockets, the embedded Realtime server and a caller."""

import asyncio
import socket

import numpy as np
import pytest

from gateway.bridge import OutboundCall
from gateway.codecs import g711
from gateway.errors import NoSuchTrunk, NoWay
from gateway.sip import Flow, OutgoingInvite
from gateway.sip.trunk.server_health import Server, ServerHealth
from tests.caller import Caller
from tests.gatewayd import running, settings_for

AGENT = 'greeting: "Hello {{caller}}, you called {{called}} as {{header.X-Account}}."\ntranscription: {model: local}\n'


async def test_a_greeting_with_the_variables_of_the_call_and_a_steady_stream(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        assert call.provisional[:2] == [100, 180]
        await call.until_quiet()
        (found,) = gateway.switchboard.calls
        assert gateway.switchboard.find(found.info.call_id) is found
        assert gateway.switchboard.find("nobody") is None
        call.bye()
        async with asyncio.timeout(5):
            while len(gateway.switchboard):
                await asyncio.sleep(0.01)
    said = [data["text"] for kind, data in events if kind == "transcript"]
    assert said == ["Hello caller, you called reception as ."]
    stamps = np.array([packet.timestamp for packet in call.packets])
    sequence = np.array([packet.sequence for packet in call.packets])
    assert (np.diff(stamps) % 2**32 == 160).all()
    assert (np.diff(sequence) % 2**16 == 1).all()
    assert next(packet.marker for packet in call.packets if not packet.silent)
    assert sum(packet.marker for packet in call.packets) == 1
    assert {len(packet.payload) for packet in call.packets} == {160}


async def test_calls_do_not_touch_each_other_and_leave_nothing(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, events):
        callers = [Caller(gateway.sip_port, keep=False) for _ in range(8)]
        for caller in callers:
            await caller.__aenter__()
        assert await asyncio.gather(*(caller.invite() for caller in callers)) == [200] * 8
        assert len(gateway.switchboard) == 8
        await asyncio.gather(*(caller.silence(0.5) for caller in callers))
        for caller in callers:
            caller.bye()
        async with asyncio.timeout(5):
            while len(gateway.switchboard):
                await asyncio.sleep(0.01)
        assert len(gateway.switchboard.resources.clock) == 0
        assert all(caller.count > 15 for caller in callers)
        assert len({data["outcome"] for kind, data in events if kind == "ended"}) == 1
        for caller in callers:
            await caller.__aexit__()


async def test_a_bug_in_setting_up_a_call_is_500_and_logged(tmp_path, monkeypatch):
    from gateway.bridge import call_runner as module

    async def broken(*_):
        raise RuntimeError("a bug")

    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, events), Caller(gateway.sip_port) as call:
        monkeypatch.setattr(module, "open_leg", broken)
        assert await call.invite() == 500
        assert len(gateway.switchboard) == 0
        assert [data["outcome"] for kind, data in events] == ["internal_error"]


async def test_an_asserted_identity_counts_where_the_trunk_is_trusted(tmp_path):
    believed = ["p_asserted_identity", "from"]
    for caller_in, caller in ((believed, "sip:+15550100@carrier"), (["from"], "sip:caller@127.0.0.1")):
        trunks = [{"name": "t", "peers": ["127.0.0.1"], "caller_in": caller_in}]
        header = '"Ann" <sip:+15550100@carrier>'
        async with (
            running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks)) as (gateway, _),
            Caller(gateway.sip_port, headers=f"P-Asserted-Identity: {header}\r\n") as call,
        ):
            assert await call.invite() == 200
            assert gateway.switchboard.calls[0].info.caller.uri == caller


async def test_a_bug_at_the_door_is_500_too(tmp_path, monkeypatch):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, _), Caller(gateway.sip_port) as call:
        monkeypatch.setattr(gateway.switchboard, "_info_of", lambda session: 1 / 0)
        assert await call.invite() == 500
        assert len(gateway.switchboard) == 0


async def test_a_call_is_there_from_the_order_on(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, events):
        order = OutgoingInvite("sip:a@127.0.0.1:9", gateway.switchboard.trunk(""))
        call_id = gateway.switchboard.dial(OutboundCall("bob", order))
        record = gateway.switchboard.record(call_id)
        assert (record["state"], record["direction"], record["called"]) == ("dialing", "outbound", "sip:a@127.0.0.1:9")
        gateway.switchboard.command("hangup", call_id, {})
        assert len(gateway.switchboard) == 0
        await asyncio.sleep(0.2)
        assert [(kind, data["outcome"]) for kind, data in events] == [("ended", "hung_up_by_request")]


async def test_an_agent_has_a_limit_of_its_own_and_an_attestation_can_be_asked_for(tmp_path):
    from tests.sip.test_passport import token

    routes = [{"called": "*", "agent": "bob", "attestation": "A"}, {"called": "*", "agent": "eve"}]
    agents = {"bob": AGENT + "max_calls: 1\n", "eve": "greeting: Hello {{identity.attest}}.\n"}
    attested = {"headers": f"Identity: {token({'attest': 'A'})}\r\n"}
    async with (
        running(settings_for(tmp_path, agents, routes=routes)) as (gateway, events),
        Caller(gateway.sip_port, **attested) as first,
        Caller(gateway.sip_port, **attested) as second,
        Caller(gateway.sip_port) as third,
    ):
        assert [await first.invite(), await second.invite(), await third.invite()] == [200, 486, 200]
        assert [call.agent.name for call in gateway.switchboard.calls] == ["bob", "eve"]
        assert gateway.switchboard.calls[0].record()["attestation"] == "A"
        assert [data["outcome"] for kind, data in events if kind == "ended"] == ["agent_busy"]


async def test_early_the_caller_hears_a_ringing_tone_of_ours_and_nobody_hears_the_caller(tmp_path):
    trunks = [{"name": "t", "peers": ["127.0.0.1"], "answer": "early", "answer_after_seconds": 1.5}]
    async with (
        running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks)) as (gateway, events),
        Caller(gateway.sip_port) as call,
    ):
        asked = asyncio.create_task(call.invite())
        async with asyncio.timeout(5):
            while 183 not in call.provisional or not call.packets:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.8)
        assert not asked.done()
        early = b"".join(packet.payload for packet in call.packets)
        heard = g711.ULAW.linear(early).astype(float)[:4000]
        spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
        assert abs(np.argmax(spectrum) * 8000 / len(heard) - 425) < 5  # Hz
        assert "transcript" not in [kind for kind, _ in events]
        assert await asked == 200
        await call.until_quiet()
        call.bye()


@pytest.mark.parametrize(("answer", "status"), [("at_once", 200), ("ready", 503)])
async def test_when_a_call_is_answered(tmp_path, answer, status):
    """At once: before the agent has its session, which here is never."""
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and says nothing
    url = f"ws://127.0.0.1:{silent.getsockname()[1]}/v1/realtime"
    trunks = [{"name": "t", "peers": ["127.0.0.1"], "answer": answer}]
    agent = "provider: slow\nmodel: m\ngreeting: Hello.\n"
    settings = settings_for(
        tmp_path, {"bob": agent}, trunks=trunks, providers={"slow": {"url": url, "connect_seconds": 1}}
    )
    async with running(settings) as (gateway, _), Caller(gateway.sip_port) as call:
        began = asyncio.get_running_loop().time()
        assert await call.invite() == status
        assert (asyncio.get_running_loop().time() - began < 0.8) is (answer == "at_once")
        if status == 200:
            call.bye()
    silent.close()


async def test_by_which_trunks_somebody_is_called(tmp_path):
    trunks = [
        {"name": "in", "peers": ["127.0.0.1"], "bridge_trunk": "two"},
        {"name": "one", "server": "sip:192.0.2.1"},
        {"name": "two", "server": "sip:192.0.2.2"},
    ]
    plan = [{"called": "+49*", "trunks": ["one", "two"]}]
    async with running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks, dial_plan=plan)) as (gateway, _):
        board = gateway.switchboard

        def names(found):
            return [trunk.name for trunk in found]

        assert names(board.trunks_for("+4989")) == ["one", "two"]
        assert names(board.trunks_for("+4989", "two")) == ["two"]
        assert names(board.trunks_for_second("tel:+4989", board.trunk("in"))) == ["two"]
        assert names(board.trunks_for_second("tel:+4989", board.trunk("one"))) == ["one", "two"]
        assert names(board.trunks_for_second("tel:+1", board.trunk("one"))) == ["one"]
        assert names(board.trunks_for_second("sip:a@b", None)) == [""]
        with pytest.raises(NoWay, match=r"no row of dial_plan takes \+1; there are \+49\*"):
            board.trunks_for("+1")
        with pytest.raises(NoSuchTrunk):
            board.trunks_for("sip:a@b")
        health = ServerHealth(board.user_agent.core, board.trunk("one"))
        health.servers["udp:192.0.2.1:5060"] = Server(Flow("udp", ("192.0.2.1", 5060), ("", 0)), up=False)
        board.user_agent.health["one"] = health
        assert names(board.trunks_for("+4989")) == ["two", "one"]
