"""The sockets, for real, on loopback."""

import asyncio
import socket

import pytest

from gateway.errors import PortInUse
from gateway.sip.flow import Flow
from gateway.sip.transport import Transports, local_host_for
from tests.wire import request


class Ear:
    def __init__(self):
        self.got: asyncio.Queue = asyncio.Queue()
        self.failed = []

    def receive(self, data, flow):
        self.got.put_nowait((data, flow))


@pytest.fixture
async def pair():
    ear = Ear()
    transports = Transports(ear.receive, ear.failed.append)
    await transports.listen("127.0.0.1", 0)
    yield ear, transports
    await transports.close()


async def test_udp_there_and_back(pair):
    ear, transports = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.sendto(b"\r\n\r\n", ("127.0.0.1", transports.port))  # a keepalive, for nobody
        peer.sendto(request("OPTIONS"), ("127.0.0.1", transports.port))
        data, flow = await asyncio.wait_for(ear.got.get(), 5)
        assert data == request("OPTIONS")
        assert flow == Flow("udp", peer.getsockname(), ("127.0.0.1", transports.port))
        transports.send(b"answer", flow)
        peer.settimeout(5)
        assert await asyncio.to_thread(peer.recv, 100) == b"answer"


async def test_tcp_answers_on_the_same_connection_and_pongs(pair):
    ear, transports = pair
    reader, writer = await asyncio.open_connection("127.0.0.1", transports.port)
    writer.write(b"\r\n\r\n" + request("OPTIONS", transport="TCP"))
    data, flow = await asyncio.wait_for(ear.got.get(), 5)
    assert data == request("OPTIONS", transport="TCP")
    transports.send(b"answer", flow)
    assert await asyncio.wait_for(reader.readexactly(8), 5) == b"\r\nanswer"
    writer.write(b"garbage without any length\r\n\r\n")  # cannot be framed: the connection ends
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_peer_that_cannot_be_reached_is_told(pair):
    ear, transports = pair
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        transports.send(b"x", Flow("tcp", closed.getsockname(), ("127.0.0.1", 1)), client="bye")
        for _ in range(100):
            await asyncio.sleep(0.02)
            if ear.failed:
                break
    transports.send(b"x", Flow("tls", ("127.0.0.1", 1), ("127.0.0.1", 1)), client="tls")
    assert ear.failed == ["bye", "tls"]


async def test_a_port_that_is_taken(pair):
    _, transports = pair
    with pytest.raises(PortInUse, match=f"127.0.0.1:{transports.port}.*--sip-port"):
        await Transports(lambda *_: None, lambda _: None).listen("127.0.0.1", transports.port)


def test_behind_the_unspecified_address_the_route_decides():
    assert local_host_for("0.0.0.0", "127.0.0.1") == "127.0.0.1"
    assert local_host_for("192.0.2.1", "127.0.0.1") == "192.0.2.1"
