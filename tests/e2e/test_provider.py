"""What a provider's timing and a peer's way of offering do to the sound: nothing."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode

import numpy as np
import orjson
import pytest
from websockets.asyncio.server import serve

from gateway.codecs import g711, kernel
from tests.caller import SDP, Caller
from tests.gatewayd import running, settings_for

pytestmark = pytest.mark.e2e


class Provider:
    """Answers with `speech`, int16 at 24 kHz, in `pieces`: bytes, and s of pause after them."""

    def __init__(self, speech, pieces):
        self.speech, self.pieces = speech.tobytes(), pieces

    async def __call__(self, websocket):
        async def say(kind, **fields):
            await websocket.send(orjson.dumps({"type": kind, **fields}), text=True)

        await say("session.created", session={"id": "s"})
        async for text in websocket:
            match orjson.loads(text)["type"]:
                case "session.update":
                    await say("session.updated", session={})
                case "response.create":
                    await say("response.created", response={"id": "r"})
                    at = 0
                    for length, pause in self.pieces:
                        delta = b64encode(self.speech[at : at + length]).decode()
                        at += length
                        place = {"response_id": "r", "item_id": "i", "content_index": 0}
                        await say("response.output_audio.delta", **place, delta=delta)
                        await asyncio.sleep(pause)
                    assert at == len(self.speech)
                    await say("response.output_audio.done", response_id="r", item_id="i", content_index=0)
                    await say("response.done", response={"id": "r", "status": "completed"})


def expected(speech):
    """What the caller has to get, sample for sample."""
    padded = np.concatenate((np.zeros(kernel(24000, 8000).context, np.int16), speech)).astype(np.float32)
    return g711.encode(g711.ULAW, kernel(24000, 8000).convert(padded[None])[0]).tobytes()


async def heard(tmp_path, provider, **caller):
    async with serve(provider, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime"
        settings = settings_for(tmp_path, {"bob": "provider: acme\ngreeting: hi\n"}, providers={"acme": {"url": url}})
        async with running(settings) as (gateway, _), Caller(gateway.sip_port, **caller) as call:
            assert await call.invite() == 200
            await call.until_quiet()
            call.bye()
            return call.packets


def cuts(total, sizes, pause):
    pieces, left = [], total
    for size in sizes:
        size = min(size, left)
        pieces.append((size, pause))
        left -= size
        if not left:
            return pieces
    return [*pieces, (left, pause)]


async def test_a_burst_with_odd_pieces_is_heard_sample_for_sample(tmp_path):
    speech = np.random.default_rng(4).integers(-12000, 12000, 24000 * 2).astype(np.int16)
    sizes = np.random.default_rng(5).integers(1, 9001, 100).tolist()
    packets = await heard(tmp_path, Provider(speech, cuts(speech.nbytes, sizes, 0.0)))
    start = next(index for index, packet in enumerate(packets) if packet.marker)
    assert b"".join(packet.payload for packet in packets[start : start + 100]) == expected(speech)


async def test_a_stall_in_the_middle_is_a_pause_and_loses_nothing(tmp_path):
    """Half a second of speech at once, nothing for a second, then the rest."""
    speech = np.random.default_rng(4).integers(-12000, 12000, 24000).astype(np.int16)
    packets = await heard(tmp_path, Provider(speech, [(24000, 1.0), (24000, 0.0)]))
    spoken = [packet for packet in packets if not packet.silent]
    first, second = expected(speech[:12000]), expected(speech[12000:])
    payload = b"".join(packet.payload for packet in spoken)
    ringing = 160  # one frame after each piece, in which the filter rings out
    assert payload[: len(first)] == first
    assert payload[len(first) + ringing : -ringing] == second
    assert sum(packet.marker for packet in packets) == 2
    stamps = [packet.timestamp for packet in packets]
    assert {(b - a) % 2**32 for a, b in itertools.pairwise(stamps)} == {160}


class Delayed(Caller):
    """Offers nothing in the INVITE; its SDP comes with the ACK (RFC 3264 section 4, as CUCM does it)."""

    def acknowledge(self, cseq, text):
        import re
        import secrets

        assert "m=audio" in text
        self._media = ("127.0.0.1", int(re.search(r"m=audio (\d+)", text)[1]))
        self.send("ACK", cseq, secrets.token_hex(8), SDP.format(host="127.0.0.1", port=self.rtp_port))


async def test_a_delayed_offer_is_a_call_like_any_other(tmp_path):
    agent = 'greeting: "Good day."\ntranscription: {model: local}\n'
    async with running(settings_for(tmp_path, {"bob": agent})) as (gateway, events):
        async with Delayed(gateway.sip_port, sdp="") as call:
            assert await call.invite() == 200
            await call.until_quiet()
            call.bye()
            await asyncio.sleep(0.1)
        assert [data["outcome"] for kind, data in events if kind == "ended"] == ["caller_hung_up"]
        async with Caller(gateway.sip_port, sdp="") as other:  # and one whose ACK brings no answer
            assert await other.invite() == 200
            await asyncio.wait_for(other.over.wait(), 5)
        assert [data["outcome"] for kind, data in events if kind == "ended"][1] == "bad_session_description"


class Undecided:
    """Answers no update before it has had two, and refuses the first of them."""

    def __init__(self):
        self.updates = []

    async def __call__(self, websocket):
        async def say(kind, **fields):
            await websocket.send(orjson.dumps({"type": kind, **fields}), text=True)

        await say("session.created", session={"id": "s"})
        async for text in websocket:
            event = orjson.loads(text)
            if event["type"] != "session.update":
                continue
            self.updates.append(event)
            if len(self.updates) == 3:
                error = {"type": "invalid_request_error", "code": "invalid_value", "message": "not these tools"}
                await say("error", error=error | {"event_id": self.updates[1]["event_id"]})
            if len(self.updates) != 2:
                await say("session.updated", session={})


async def test_of_two_agents_that_were_asked_for_at_once_the_first_is_refused_and_the_second_has_the_call(tmp_path):
    provider = Undecided()
    async with serve(provider, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1/realtime"
        agents = {
            "bob": "provider: acme\n",
            "one": "provider: acme\ninstructions: I am {{agent}}.\ntools: [hang_up]\n",
            "two": "provider: acme\ninstructions: I am {{agent}}.\ntools: [hang_up]\n",
        }
        settings = settings_for(tmp_path, agents, providers={"acme": {"url": url}})
        async with running(settings) as (gateway, events), Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            (found,) = gateway.switchboard.calls
            for name in ("one", "two"):
                gateway.switchboard.command("update", found.info.call_id, {"agent": name})
            async with asyncio.timeout(5):
                while len(provider.updates) < 4:
                    await call.silence(0.02)
            await call.silence(0.1)
            assert (found.agent.name, found.variables["agent"], found.record()["agent"]) == ("two", "two", "two")
            assert provider.updates[3]["session"]["tools"]  # which only the first had named
            assert "tools" not in provider.updates[2]["session"]
            call.bye()
    kinds = [kind for kind, _ in events]
    assert kinds.count("provider_fault") == 1
    assert "agent_update_refused" not in kinds
