"""Names, addresses and who is vouched for; with real look-ups and a real pool of ports."""

import asyncio
import socket
import time
from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace

import pytest

from gateway.bridge.legs import media_access as module
from gateway.bridge.legs.media_access import MediaAccess
from gateway.errors import MediaAddressRefused
from gateway.rtp import PortPool
from gateway.sip import Agreed, AudioFormat, Trunk
from gateway.sip.trunk.trunks import Trunks

CARRIER = Trunk("carrier", (ip_network("203.0.113.0/24"),), media_peers=(ip_network("198.51.100.0/24"),))


def agreed(host, port=4000):
    return Agreed(AudioFormat("PCMU", 8000, 0), 101, (host, port), True, True)


def session(peer, trunk=None, nat=False):
    flow = SimpleNamespace(remote=peer)
    return SimpleNamespace(trunk=trunk, behind_nat=nat, dialog=SimpleNamespace(flow=flow))


@pytest.fixture
def access():
    ports = PortPool(20000, 20010, lambda: 0.0)
    agent = SimpleNamespace(own_ports={5060}, core=SimpleNamespace(trunks=Trunks((CARRIER,))))
    one = MediaAccess(agent, ports)
    one.ports = ports
    yield one
    one.close()


async def test_names_are_looked_up_in_our_family_and_what_is_not_found_is_left_out(access):
    assert await access.look_up({"localhost", "no.such.host.invalid"}, "127.0.0.1") == {"localhost": "127.0.0.1"}


async def test_a_slow_name_server_holds_up_neither_the_loop_nor_the_call_for_long(access, monkeypatch):
    monkeypatch.setattr(module, "NAME_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: time.sleep(1))
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    assert await access.look_up({"slow.example"}, "127.0.0.1") == {}
    assert time.monotonic() - began < 0.9
    assert ticks > 5
    ticking.cancel()


@pytest.mark.parametrize(
    ("host", "port", "peer", "trunk", "refused"),
    [
        ("203.0.113.9", 4000, ("203.0.113.9", 5060), None, False),
        ("127.0.0.1", 4000, ("203.0.113.9", 5060), CARRIER, True),  # our own loopback, from outside
        ("127.0.0.1", 4000, ("127.0.0.1", 40000), None, False),
        ("127.0.0.1", 5060, ("127.0.0.1", 40000), None, True),  # our own SIP
        ("127.0.0.1", "lent", ("127.0.0.1", 40000), None, True),  # another call's media
        ("127.0.0.1", "lent", ("127.0.0.1", 5060), None, False),  # a call that we make to ourselves
        ("127.0.0.1", "lent", ("127.0.0.1", 40000), CARRIER, False),
        ("127.0.0.1", "own", ("127.0.0.1", 5060), CARRIER, True),
        ("0.0.0.0", 4000, ("203.0.113.9", 5060), None, False),  # a hold
    ],
)
def test_where_no_media_goes(access, host, port, peer, trunk, refused):
    own, lent = access.ports.take(), access.ports.take()
    number = {"own": own, "lent": lent + 1}.get(port, port)
    if not refused:
        access.check(agreed(host, number), session(peer, trunk), own)
        return
    with pytest.raises(MediaAddressRefused) as error:
        access.check(agreed(host, number), session(peer, trunk), own)
    assert error.value.warning == 399


def test_reports_go_to_nobody_else(access):
    """An address in a=rtcp is as good a target for who wants to see somebody flooded."""
    trust = access.trust(agreed("192.0.2.7"), session(("192.0.2.7", 5060)))
    for host, wanted in (("192.0.2.7", True), ("198.51.100.1", False)):
        where = replace(agreed("192.0.2.7"), rtcp=(host, 4001))
        assert access.reports_to(where, trust) == ((host, 4001) if wanted else None)


@pytest.mark.parametrize(
    ("media", "nat", "trunk", "vouched", "follow"),
    [
        ("192.0.2.7", False, None, True, "never"),  # the peer's own address
        ("192.0.2.7", True, None, True, "trusted"),  # seen behind a NAT
        ("10.0.0.7", False, None, False, "trusted"),  # a private address in the description of a public peer
        ("203.0.113.50", False, CARRIER, True, "trusted"),
        ("198.51.100.50", False, CARRIER, True, "trusted"),  # the trunk's media
        ("192.0.2.7", True, Trunk("off", nat="off"), True, "never"),
        ("10.0.0.7", False, Trunk("on", nat="on"), False, "any"),
    ],
)
def test_who_is_vouched_for_and_what_is_followed(access, media, nat, trunk, vouched, follow):
    trust = access.trust(agreed(media), session(("192.0.2.7", 5060), trunk, nat))
    assert (trust.vouches(media), trust.follow) == (vouched, follow)
