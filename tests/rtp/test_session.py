"""Real datagrams between two sessions on loopback."""

import asyncio
import contextlib
import errno
import socket
from ipaddress import ip_network

import pytest

from gateway.errors import NoFileDescriptor, NoMediaPort
from gateway.rtp import MediaSettings, PortPool, Stream, Trust, open_session

TRUST = Trust((ip_network("127.0.0.0/8"),))


class Ear:
    def __init__(self):
        self.heard, self.gaps, self.digits = [], [], []

    def audio(self, payload):
        self.heard.append(payload)

    def gap(self, gap):
        self.gaps.append(gap)

    def digit(self, digit):
        self.digits.append(digit)

    def switch(self, payload_type):
        self.heard.append(payload_type)


def pool(first, last):
    return PortPool(first, last, asyncio.get_running_loop().time)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_audio_and_digits_arrive_and_are_counted():
    settings, ports = MediaSettings(), pool(31000, 31099)
    one, two = Ear(), Ear()
    a, b = await open_session(settings, ports, one), await open_session(settings, ports, two)
    a.update(Stream(0, 101, ("127.0.0.1", b.port)))
    b.update(Stream(0, 101, ("127.0.0.1", a.port), sending=False))
    for number in range(5):
        a.send(bytes([number]) * 160, talking=True)
        b.send(b"never" * 32, talking=True)
    a.send_dtmf("7")
    for _ in range(8):
        a.send(b"x" * 160, talking=False)
    await until(lambda: two.digits)
    assert [payload[0] for payload in two.heard] == [0, 1, 2, 3, 4]
    assert two.digits == ["7"]
    assert one.heard == []  # b holds
    assert (a.stats()["sent_packets"], b.stats()["received_packets"], b.stats()["lost"]) == (15, 15, 0)
    assert f"127.0.0.1:{a.port}" in str(b)
    a.close()
    b.close()


async def test_a_port_that_a_stranger_holds_is_passed_over():
    ports = pool(31100, 31103)
    loop = asyncio.get_running_loop()
    stranger, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 31100))
    session = await open_session(MediaSettings(first_port=31100, last_port=31103), ports, Ear())
    assert session.port == 31102
    assert ports.lent == {31102: session}
    with pytest.raises(NoMediaPort):
        await open_session(MediaSettings(first_port=31100, last_port=31103), ports, Ear())
    session.close()
    session.close()
    stranger.close()


@pytest.mark.parametrize("turns", range(6))
async def test_a_call_that_is_given_up_while_its_port_is_opened_gives_it_back(turns):
    ports = PortPool(43000, 43003, asyncio.get_running_loop().time, rest=0)
    task = asyncio.create_task(open_session(MediaSettings("localhost"), ports, Ear()))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        (await task).close()
    await asyncio.sleep(0.05)
    assert len(ports) == 2
    (await open_session(MediaSettings(), ports, Ear())).close()


async def pair(**fields):
    """A session, and the socket of its peer."""
    loop, ear = asyncio.get_running_loop(), Ear()
    session = await open_session(MediaSettings(), pool(31300, 31399), ear)
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    peer.bind(("127.0.0.1", 0))
    peer.setblocking(False)
    session.update(Stream(0, 101, peer.getsockname(), **fields))
    return loop, session, ear, peer


async def test_who_is_not_vouched_for_gets_media_for_a_second_until_it_has_sent():
    """Else anybody could be flooded in somebody's name."""
    loop, session, _, peer = await pair()
    offset = 0.0
    session._now = lambda: loop.time() + offset
    session.send(b"a" * 160, talking=True)
    assert len(await asyncio.wait_for(loop.sock_recv(peer, 2000), 5)) == 172
    offset = 1.1
    session.send(b"b" * 160, talking=True)
    assert session.stats()["withheld"] == 1
    peer.sendto(b"\x80\0\0\1" + bytes(8) + b"x" * 160, ("127.0.0.1", session.port))
    await until(lambda: session.quiet_seconds < 0.5)
    session.send(b"c" * 160, talking=True)
    assert (await asyncio.wait_for(loop.sock_recv(peer, 2000), 5))[12:13] == b"c"
    session.close()
    peer.close()


@pytest.mark.parametrize("sign", ["comfort noise", "a key", "RTCP", "STUN"])
async def test_signs_of_life(sign):
    loop, session, _, peer = await pair(trust=TRUST)
    session._updated_at = loop.time() - 100
    assert session.quiet_seconds > 99
    data = {
        "comfort noise": b"\x80\x0d\0\1" + bytes(8) + b"\x40",
        "a key": b"\x80\x65\0\1" + bytes(8) + b"\x05\x0a\0\xa0",
        "RTCP": b"\x80\xc9\0\1\0\0\0\7",
        "STUN": b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12),
    }[sign]
    peer.sendto(data, ("127.0.0.1", session.port))
    await until(lambda: session.quiet_seconds < 1)
    session.close()
    peer.close()


@pytest.mark.parametrize("remote", [("localhost", 4000), ("::1", 4000), ("127.0.0.1", 65535), ("127.0.0.1", 99999)])
async def test_an_address_that_cannot_be_sent_to_raises_nothing_and_closing_gives_the_port_back(remote):
    """It should never come so far, and must do no harm where it does."""
    ports = pool(31400, 31403)
    session = await open_session(MediaSettings(), ports, Ear())
    session.update(Stream(0, 101, remote, trust=Trust((ip_network("0.0.0.0/0"), ip_network("::/0")), "never")))
    session.rtcp._next = 0.0
    for _ in range(3):
        session.send(b"x" * 160, talking=True)
        session.expire()
    session.close()
    assert ports.lent == {}


async def test_a_hold_by_0_0_0_0_changes_nothing_but_that_nothing_is_sent():
    _, session, ear, peer = await pair(trust=TRUST)
    session.update(Stream(0, 101, ("0.0.0.0", 4000), sending=False, trust=TRUST))
    session.send(b"x" * 160, talking=True)
    peer.sendto(b"\x80\0\0\1" + bytes(8) + b"m" * 160, ("127.0.0.1", session.port))
    await until(lambda: ear.heard)
    assert ear.heard == [b"m" * 160]
    with pytest.raises(BlockingIOError):
        peer.recv(2000)
    session.close()
    peer.close()


async def test_another_format_of_those_agreed_on_is_told_before_its_audio():
    _, session, ear, peer = await pair(accepted=frozenset({8}), trust=TRUST)
    for number, kind in enumerate((0, 8, 8, 18, 0)):
        peer.sendto(bytes([0x80, kind, 0, number]) + (number * 160).to_bytes(4, "big") + bytes(4) + b"x" * 160,
                    ("127.0.0.1", session.port))  # fmt: skip
    await until(lambda: len(ear.heard) >= 6)
    assert ear.heard == [b"x" * 160, 8, b"x" * 160, b"x" * 160, 0, b"x" * 160]
    session.close()
    peer.close()


async def test_without_descriptors_the_error_says_so_and_nothing_is_kept(monkeypatch):
    ports, loop = pool(31500, 31599), asyncio.get_running_loop()

    async def full(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(loop, "create_datagram_endpoint", full)
    with pytest.raises(NoFileDescriptor, match="ulimit"):
        await open_session(MediaSettings(), ports, Ear())
    assert ports.lent == {}


async def test_the_last_descriptors_are_not_for_new_calls(monkeypatch):
    ports = pool(31600, 31699)
    monkeypatch.setattr("gateway.rtp.session.descriptor_limit", lambda: 70)
    with pytest.raises(NoFileDescriptor, match="kept for calls in progress"):
        await open_session(MediaSettings(), ports, Ear())
    assert ports.lent == {}
