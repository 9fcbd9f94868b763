"""A stranger floods the gateway while others talk: their sound has no gap, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket

import pytest

from tests.caller import Caller
from tests.gatewayd import running, settings_for
from tests.wire import OFFER, request

pytestmark = pytest.mark.e2e

AGENT = 'greeting: "I will now count. One, two, three, four, five, six, seven, eight, nine, ten."\n'
INVITES = 4000


async def test_a_flood_of_invites_from_an_unknown_source(tmp_path):
    trunks = [{"name": "here", "peers": ["127.0.0.1"]}]
    async with running(settings_for(tmp_path, {"bob": AGENT}, trunks=trunks)) as (gateway, events):
        callers = [Caller(gateway.sip_port) for _ in range(4)]
        for caller in callers:
            await caller.__aenter__()
        assert [await caller.invite() for caller in callers] == [200] * 4
        talking = asyncio.gather(*(caller.silence(4) for caller in callers))
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.bind(("127.0.0.9", 0))
        for number in range(INVITES):
            data = request(body=OFFER, branch=f"z9hG4bKf{number}").replace(b"one@", b"%d@" % number)
            stranger.sendto(data, ("127.0.0.1", gateway.sip_port))
            if number % 20 == 0:
                await asyncio.sleep(0.01)
        await talking
        seen = gateway.switchboard.user_agent.core.trunks.bans
        assert seen.refused == 20
        assert seen.refused + seen.dropped > INVITES * 0.9
        assert len(gateway.switchboard) == 4
        for caller in callers:
            sequence = [packet.sequence for packet in caller.packets]
            assert {(after - before) & 0xFFFF for before, after in itertools.pairwise(sequence)} == {1}
            caller.bye()
        stranger.setblocking(False)
        answers = []
        with contextlib.suppress(BlockingIOError):
            while True:
                answers.append(stranger.recv(2000)[:11])
        assert answers == [b"SIP/2.0 403"] * 20
        stranger.close()
        await asyncio.sleep(0.2)
        assert [data["outcome"] for kind, data in events if kind == "ended"] == ["caller_hung_up"] * 4
        for caller in callers:
            await caller.__aexit__()
