"""The user agent over real UDP: what a peer sees, and that a fault in one message touches no other."""

import asyncio
import socket
from dataclasses import replace

import pytest

from gateway.errors import ConfigError
from gateway.sip import Credentials, Incoming, SipSettings, Trunk, TrunkTls, Uri, UserAgent
from tests.wire import OFFER, request


async def test_a_trace_shows_messages_and_no_secrets(capsys):
    agent = UserAgent(SipSettings(port=0, trace=True), lambda _: None)
    await agent.listen()
    try:
        secret = "Authorization: Digest response=hush\r\nProxy-authorization : Digest hush\r\n"
        await ask(agent, request("OPTIONS", extra=secret, body=b"v=0\r\na=crypto:1 X inline:hush\r\n"))
    finally:
        await agent.close()
    shown = capsys.readouterr().out
    assert "OPTIONS sip:reception" in shown
    assert "SIP/2.0 200 OK" in shown
    assert shown.count("***") == 3
    assert "hush" not in shown


async def test_the_realm_of_passwords_is_a_name():
    trunks = (Trunk("phones", users=(Credentials("ann", "secret"),)),)
    for given, realm in (
        ({"host": "0.0.0.0"}, "voice-agent-gateway"),
        ({"host": "0.0.0.0", "public_host": "203.0.113.7"}, "203.0.113.7"),
        ({"host": "0.0.0.0", "realm": "acme.example"}, "acme.example"),
        ({"host": "127.0.0.1"}, "127.0.0.1"),
    ):
        agent = UserAgent(SipSettings(port=0, trunks=trunks, **given), lambda _: None)
        await agent.listen()
        try:
            assert f'realm="{realm}"'.encode() in await ask(agent, request("REGISTER"))
        finally:
            await agent.close()


async def ask(agent, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        peer.sendto(data, ("127.0.0.1", agent.port))
        return await asyncio.to_thread(peer.recv, 65535)


async def test_a_fault_in_the_handler_of_one_call_leaves_the_others():
    seen = []

    def on_event(event):
        seen.append(event)
        raise RuntimeError("a bug")

    agent = UserAgent(SipSettings(port=0), on_event)
    await agent.listen()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.sendto(request(body=OFFER), ("127.0.0.1", agent.port))
        assert b"200 OK" in await ask(agent, request("OPTIONS", branch="z9hG4bKo"))
        assert isinstance(seen[0], Incoming)
        assert b"400 Bad Request" in await ask(
            agent, request("OPTIONS").replace(b"Content-Length: 0", b"Content-Length: z")
        )
        assert agent.refused == 1
    finally:
        await agent.close()


async def listening_to_options():
    """A port, and the OPTIONS that have come to it; it answers none."""
    asked = []

    class Server(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            asked.append(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Server, ("127.0.0.1", 0))
    return transport, transport.get_extra_info("sockname")[1], asked


async def test_trunks_that_are_read_anew_are_asked_anew_and_those_that_are_gone_no_more():
    one, first, asked = await listening_to_options()
    two, second, others = await listening_to_options()
    trunk = Trunk("t", server=Uri.parse(f"sip:127.0.0.1:{first}"), options_ping_seconds=0.1)
    agent = UserAgent(SipSettings(port=0, trunks=(trunk,)), lambda _: None)
    await agent.listen()
    try:
        async with asyncio.timeout(5):
            while not agent.is_down(trunk):
                await asyncio.sleep(0.02)
        assert agent.trunk_state(trunk)["servers"][0]["server"] == f"udp:127.0.0.1:{first}"
        moved = replace(trunk, backup_servers=(Uri.parse(f"sip:127.0.0.1:{second}"),))
        agent.use((moved,))
        async with asyncio.timeout(5):
            while not others:
                await asyncio.sleep(0.02)
        assert list(agent.health["t"].servers) == [f"udp:127.0.0.1:{place}" for place in (first, second)]
        agent.use(())
        assert (agent.health, agent.core.trunks.silent) == ({}, {})
        assert not agent.is_down(trunk)
    finally:
        await agent.close()
        one.close()
        two.close()
    assert all(data.startswith(b"OPTIONS") for data in asked + others)


async def test_a_bad_file_of_a_trunk_leaves_all_trunks_as_they_were():
    agent = UserAgent(SipSettings(port=0, trunks=(Trunk("one"),)), lambda _: None)
    await agent.listen()
    try:
        with pytest.raises(ConfigError, match="cannot be read"):
            agent.use((Trunk("two", tls=TrunkTls(ca="/no/such/file")),))
        assert [trunk.name for trunk in agent.core.trunks.trunks] == ["one"]
    finally:
        await agent.close()
