"""What the field sends beside the standard, against a gateway that runs: nobody is lost, nobody mute, nothing leaks."""

from __future__ import annotations

import asyncio
import re
import secrets

import numpy as np
import pytest

from gateway.bridge import OutboundCall
from gateway.bridge import switchboard as module
from gateway.codecs import g711
from gateway.sip import OutgoingInvite
from tests.answerer import SDP as ANSWER
from tests.answerer import Answerer
from tests.caller import SDP, Caller
from tests.gatewayd import needs_ears, running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

PLAIN = "greeting: Hello.\n"
ASKED = """
greeting: Hello.
transcription: {model: local}
local:
  rules:
    - hears: goodbye
      says: Goodbye then.
"""
REFUSED = {
    "IN IP4 no.such.host.invalid": 301,
    "IN IP6 ::1": 300,
    "IN IP4 127.1": 301,
    "IN IP4 010.0.0.1": 301,
    "IN IP4 224.2.2.2/127": 330,
    "IN IP4 255.255.255.255": 399,
}


def lent(gateway):
    """RTP ports that a call has."""
    return len(gateway.switchboard.resources.ports.lent)


async def until(condition, seconds=10):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def said(events, role):
    return [data["text"] for kind, data in events if kind == "transcript" and data["role"] == role]


async def test_addresses_that_no_media_can_go_to(tmp_path):
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, events):
        for line, warning in REFUSED.items():
            async with Caller(gateway.sip_port, sdp=SDP.replace("c=IN IP4 {host}", f"c={line}")) as call:
                assert await call.invite() == 488, line
                assert f"Warning: {warning} gateway" in call.final
            await until(lambda: len(gateway.switchboard) == 0)
            ended = [data for kind, data in events if kind == "ended"][-1]
            assert ended["outcome"] == "media_address_refused"
            assert line.split()[-1].partition("/")[0] in ended["problem"]
        assert lent(gateway) == 0


async def test_a_name_is_looked_up_and_media_goes_there(tmp_path):
    sdp = SDP.replace("c=IN IP4 {host}", "c=IN IP4 localhost") + "a=rtcp:39001 IN IP4 localhost\r\n"
    async with (
        running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, _),
        Caller(gateway.sip_port, sdp=sdp) as call,
    ):
        assert await call.invite() == 200
        await call.until_quiet()
        assert sum(not packet.silent for packet in call.packets) > 10
        call.bye()
        await until(lambda: len(gateway.switchboard) == 0)
        assert lent(gateway) == 0


@pytest.mark.parametrize("line", ["IN IP4 no.such.host.invalid", "IN IP6 ::1", "IN IP4 127.1"])
async def test_a_reinvite_that_cannot_be_followed_leaves_the_call_as_it_was(tmp_path, line):
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, _), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(0.5)
        sdp = SDP.replace("c=IN IP4 {host}", f"c={line}").format(port=call.rtp_port, host="127.0.0.1")
        call.send("INVITE", next(call._cseq), secrets.token_hex(8), sdp)
        await call.silence(2.5)
        before = len(call.packets)
        await call.silence(0.5)
        assert len(call.packets) - before >= 20
        assert not call.over.is_set()
        call.bye()
        await until(lambda: len(gateway.switchboard) == 0)
        assert lent(gateway) == 0


@pytest.mark.parametrize("line", ["IN IP4 no.such.host.invalid", "IN IP6 ::1", "IN IP4 127.1"])
async def test_an_answer_that_cannot_be_followed_ends_a_call_of_ours(tmp_path, line):
    with Answerer() as phone:
        trunks = [{"name": "t", "server": f"sip:127.0.0.1:{phone.port}"}]
        async with running(settings_for(tmp_path, {"bob": PLAIN}, trunks=trunks)) as (gateway, events):
            await dial(gateway)
            await asyncio.wait_for(phone.invited(), 10)
            phone.respond(200, ANSWER.replace("c=IN IP4 127.0.0.1", f"c={line}"))
            assert (await asyncio.wait_for(phone.next("BYE"), 10)).startswith("BYE")
            await until(lambda: len(gateway.switchboard) == 0)
            assert [data for kind, data in events if kind == "ended"][-1]["outcome"] == "media_address_refused"
            assert lent(gateway) == 0


async def dial(gateway, agent="bob"):
    gateway.switchboard.dial(OutboundCall(agent, OutgoingInvite("12345", gateway.switchboard.trunk(""))))


@pytest.mark.parametrize(("setting", "heard"), [("", False), ("listen_early: true\n", True)])
@needs_ears
async def test_what_is_said_before_the_answer_is_for_the_agent_only_where_it_wants_that(tmp_path, setting, heard):
    with Answerer() as phone:
        trunks = [{"name": "t", "server": f"sip:127.0.0.1:{phone.port}"}]
        async with running(settings_for(tmp_path, {"bob": ASKED + setting}, trunks=trunks)) as (gateway, events):
            await dial(gateway)
            await asyncio.wait_for(phone.invited(), 10)
            phone.respond(183, ANSWER)
            await asyncio.sleep(0.3)
            await phone.talk(
                np.concatenate((np.zeros(4000, np.int16), narrowband("goodbye"), np.zeros(8000, np.int16)))
            )
            phone.respond(200, ANSWER)
            await asyncio.wait_for(phone.next("ACK"), 10)
            await phone.talk(np.zeros(16000, np.int16))
            assert ("goodbye" in said(events, "user")) is heard
            phone.bye()
            await until(lambda: len(gateway.switchboard) == 0)


@needs_ears
async def test_another_codec_than_the_first_is_understood_and_spoken(tmp_path):
    sdp = SDP.replace("RTP/AVP 0 101", "RTP/AVP 0 8 101")
    async with (
        running(settings_for(tmp_path, {"bob": ASKED})) as (gateway, events),
        Caller(gateway.sip_port, sdp=sdp) as call,
    ):
        assert await call.invite() == 200
        await call.until_quiet()
        codes = g711.encode(g711.ALAW, narrowband("goodbye")).tobytes() + b"\xd5" * 12000
        for at in range(0, len(codes) - 159, 160):
            call.send_rtp(codes[at : at + 160], 8)
            await asyncio.sleep(0.02)
        await until(lambda: "Goodbye then." in said(events, "assistant"))
        assert said(events, "user") == ["goodbye"]
        assert call.packets[-1].payload_type == 8
        call.bye()


async def test_a_recorded_call_keeps_its_media_in_the_record(tmp_path):
    agent = "greeting: Hello.\nrecording: {start: answer}\n"
    settings = settings_for(tmp_path, {"bob": agent}, recordings=str(tmp_path / "recordings"))
    async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
        assert await call.invite() == 200
        await call.silence(1)
        call.bye()
        await until(lambda: "recording_stopped" in [kind for kind, _ in events] and len(gateway.switchboard) == 0)
        await gateway.store.writer.flush(5)
        ((record,), _) = await gateway.store.calls.page(None, "", 10)
        kinds = [kind for kind, _ in events]
        assert kinds.index("recording_stopped") > kinds.index("ended")  # it is what wrote the record last
        assert record["media"]["received_packets"] > 30


async def test_what_leaks_all_the_same_is_found_and_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.2)
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, _), Caller(gateway.sip_port) as call:
        board = gateway.switchboard
        board._sweeper.cancel()
        board._sweep()
        assert await call.invite() == 200
        await call.silence(0.5)
        (line,) = board._runners.values()
        monkeypatch.setattr(line, "close", lambda: None)  # a bug, as it were
        call.bye()
        await until(lambda: not board.calls or board.calls[0].ended)
        assert len(board) == 1
        monkeypatch.undo()
        monkeypatch.setattr(module, "SWEEP_SECONDS", 0.2)
        await until(lambda: len(board) == 0 and not board.resources.ports.lent)
        assert board.leaked >= 1


async def test_a_call_in_progress_is_no_leak(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.1)
    async with running(settings_for(tmp_path, {"bob": PLAIN})) as (gateway, _), Caller(gateway.sip_port) as call:
        gateway.switchboard._sweeper.cancel()
        gateway.switchboard._sweep()
        assert await call.invite() == 200
        await call.silence(1)
        assert gateway.switchboard.leaked == 0
        assert not call.over.is_set()
        call.bye()
        await until(lambda: len(gateway.switchboard) == 0)
        assert gateway.switchboard.leaked == 0


@needs_ears
async def test_a_number_in_a_refer_is_a_sip_uri_at_the_trunk(tmp_path):
    agent = """
greeting: Hello.
transcription: {model: local}
tools: [transfer_call]
transfer_targets: {desk: "tel:+49-30-123"}
local:
  rules:
    - hears: goodbye
      says: One moment.
      calls: transfer_call
      arguments: {target: desk}
"""
    trunks = [{"name": "t", "peers": ["127.0.0.1"], "server": "sip:pbx.example:5070", "transfer": "refer"}]
    async with (
        running(settings_for(tmp_path, {"bob": agent}, trunks=trunks)) as (gateway, _),
        Caller(gateway.sip_port) as call,
    ):
        assert await call.invite() == 200
        await call.until_quiet()
        await call.talk(narrowband("goodbye"))
        async with asyncio.timeout(15):
            while not (refers := [text for text in call.requests if text.startswith("REFER")]):
                await call.silence(0.1)
        assert re.search(r"Refer-To: <sip:\+4930123@pbx.example:5070;user=phone>", refers[0])
        call.bye()
