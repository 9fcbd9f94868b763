"""The sockets, for real, on loopback."""

import asyncio
import contextlib
import socket
import ssl

import pytest
from cryptography import x509

from gateway.errors import ConfigError, PortInUse
from gateway.sip import transport as module
from gateway.sip.flow import Flow
from gateway.sip.public_host import PublicHost
from gateway.sip.tls import TlsSettings
from gateway.sip.transport import Transports, local_host_for
from tests.certificates import make_certificate
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


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_peer_that_cannot_be_reached_is_told(pair):
    ear, transports = pair
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for kind in ("tcp", "tls"):
            transports.send(b"x", Flow(kind, closed.getsockname(), ("127.0.0.1", 1)), client=kind)
        await until(lambda: len(ear.failed) == 2)
    transports.send(b"x", Flow("sctp", ("127.0.0.1", 1), ("127.0.0.1", 1)), client="sctp")
    assert ear.failed[2] == "sctp"


async def test_connections_that_bring_nothing_are_closed_and_there_is_a_limit(pair, monkeypatch):
    _, transports = pair
    monkeypatch.setattr(module, "UNKNOWN_SECONDS", 0.2)
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 3)
    opened = [await asyncio.open_connection("127.0.0.1", transports.port) for _ in range(5)]
    opened[0][1].write(request("OPTIONS", transport="TCP"))
    opened[1][1].write(request("OPTIONS", transport="TCP")[:50])
    for reader, _ in opened[1:]:
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
    assert len(transports._connections) == 1
    for _, writer in opened:
        writer.close()


async def refused(port, opened):
    """Whether a connection is closed at once."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened.append(writer)
    try:
        async with asyncio.timeout(0.3):
            return await reader.read(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


async def test_one_stranger_leaves_room_for_others_and_for_trunks(monkeypatch):
    ear, known, opened = Ear(), set(), []
    transports = Transports(ear.receive, ear.failed.append, lambda host: host in known)
    await transports.listen("127.0.0.1", 0)
    monkeypatch.setattr(module, "MAX_OF_ADDRESS", 2)
    monkeypatch.setattr(module, "MAX_UNKNOWN", 3)
    monkeypatch.setattr(module, "UNKNOWN_SECONDS", 0.8)
    try:
        assert [await refused(transports.port, opened) for _ in range(4)] == [False, False, True, True]
        transports.vouch(1)  # the first has logged in: there is room for another stranger
        assert [await refused(transports.port, opened) for _ in range(2)] == [False, True]
        known.add("127.0.0.1")
        assert not any([await refused(transports.port, opened) for _ in range(5)])
        async with asyncio.timeout(5):
            while len(transports._connections) > 1:  # who brought nothing, and nobody vouched for
                await asyncio.sleep(0.05)
        assert transports._unknown.total() == 0
    finally:
        for writer in opened:
            writer.close()
        await transports.close()


async def test_a_request_that_is_followed_by_garbage_is_not_lost(pair):
    ear, transports = pair
    _, writer = await asyncio.open_connection("127.0.0.1", transports.port)
    writer.write(request("OPTIONS", transport="TCP") + b"\x16\x03\x01 not SIP\r\n\r\n")
    assert (await asyncio.wait_for(ear.got.get(), 5))[0] == request("OPTIONS", transport="TCP")
    async with asyncio.timeout(5):
        while transports._connections:
            await asyncio.sleep(0.01)
    writer.close()


@pytest.mark.parametrize("remote", [("::1", 5060), ("192.0.2.10", 99999), ("bad..name", 5060), ("x" * 70, 5060)])
async def test_an_address_that_cannot_be_sent_to_is_a_failure_and_no_exception(pair, remote):
    ear, transports = pair
    transports.send(b"x", Flow("udp", remote, ("127.0.0.1", 1)), client="udp")
    transports.send(b"x", Flow("tcp", remote, ("127.0.0.1", 1)), client="tcp")
    async with asyncio.timeout(5):
        while sorted(ear.failed) not in (["tcp", "udp"], ["tcp"]):  # over IPv6 UDP may find no fault
            await asyncio.sleep(0.01)


async def shown(port):
    """The serial number of the certificate that is shown to a client, and its connection."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    data = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(data).serial_number, reader, writer


async def test_tls_and_a_certificate_that_is_renewed_in_mid_call(tmp_path):
    ear = Ear()
    transports = Transports(ear.receive, ear.failed.append)
    pem, key, serial = make_certificate(tmp_path, "first")
    await transports.listen("127.0.0.1", 0, TlsSettings(pem, key, 0))
    try:
        number, reader, writer = await shown(transports.tls_port)
        assert number == serial
        writer.write(request("OPTIONS", transport="TLS"))
        data, flow = await asyncio.wait_for(ear.got.get(), 5)
        assert data == request("OPTIONS", transport="TLS")
        assert (flow.transport, flow.local) == ("tls", ("127.0.0.1", transports.tls_port))
        *_, renewed = make_certificate(tmp_path, "second")
        transports.reload()
        second, _, other = await shown(transports.tls_port)
        assert second == renewed
        transports.send(b"answer", flow)  # the old connection goes on
        assert await asyncio.wait_for(reader.readexactly(6), 5) == b"answer"
        (tmp_path / "key.pem").write_text("no key")
        with pytest.raises(ConfigError, match=r"sip\.tls: the certificate .* cannot be used"):
            transports.reload()
        third, _, last = await shown(transports.tls_port)
        assert third == renewed
        for one in (writer, other, last):
            one.close()
    finally:
        await transports.close()


async def test_all_connections_are_gone_when_it_is_closed_though_a_peer_reads_nothing():
    transports = Transports(Ear().receive, print)
    await transports.listen("127.0.0.1", 0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        transports.send(b"x" * 10_000_000, Flow("tcp", deaf.getsockname(), ("", 0)))  # more than buffers hold
        peer, _ = await asyncio.to_thread(deaf.accept)
        with peer:
            await until(lambda: transports._connections)
            (connection,) = transports._connections.values()
            await transports.close()
            await asyncio.wait_for(connection.lost, 5)
            assert not transports._connections


async def test_one_that_has_not_shaken_hands_is_gone_as_well(tmp_path):
    certificate, key, _ = make_certificate(tmp_path, "ours")
    transports = Transports(Ear().receive, print)
    await transports.listen("127.0.0.1", 0, tls=TlsSettings(certificate, key, 0))
    reader, writer = await asyncio.open_connection("127.0.0.1", transports.tls_port)
    await until(lambda: len(transports._tls_servers) == 1)
    await asyncio.sleep(0.05)  # it waits for our first words
    await transports.close()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_port_that_is_taken(pair):
    _, transports = pair
    with pytest.raises(PortInUse, match=f"127.0.0.1:{transports.port}.*--sip-port"):
        await Transports(lambda *_: None, lambda _: None).listen("127.0.0.1", transports.port)


def test_behind_the_unspecified_address_the_route_decides():
    assert local_host_for("0.0.0.0", "127.0.0.1") == "127.0.0.1"
    assert local_host_for("192.0.2.1", "127.0.0.1") == "192.0.2.1"


async def test_several_addresses_each_answer_for_themselves():
    ear = Ear()
    transports = Transports(ear.receive, ear.failed.append)
    await transports.listen("127.0.0.1", 0)
    await transports.listen("127.0.0.2", 0, public_host=PublicHost("203.0.113.9"))
    second = transports._listeners[1].port
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        for port, told in ((transports.port, ("127.0.0.1", transports.port)), (second, ("203.0.113.9", second))):
            host = "127.0.0.1" if port == transports.port else "127.0.0.2"
            peer.sendto(request("OPTIONS"), (host, port))
            _, flow = await asyncio.wait_for(ear.got.get(), 5)
            assert flow.local == told
            transports.send(b"answer", flow)
            assert await asyncio.to_thread(peer.recvfrom, 100) == (b"answer", (host, port))
    await transports.close()


async def test_tls_shows_our_certificate_and_believes_the_ca_alone(tmp_path):
    """Two of us, each with the certificate of the other as its CA; and a stranger who has none."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (one, one_key, _), (two, two_key, _) = make_certificate(tmp_path / "a", "a"), make_certificate(tmp_path / "b", "b")
    here, there = Ear(), Ear()
    first, second = Transports(here.receive, here.failed.append), Transports(there.receive, there.failed.append)
    await first.listen("127.0.0.1", 0, TlsSettings(one, one_key, 0, ca=two, client_certificates=True))
    await second.listen("127.0.0.1", 0, TlsSettings(two, two_key, 0, ca=one, client_certificates=True))
    try:
        flow = Flow("tls", ("127.0.0.1", second.tls_port), ("127.0.0.1", first.tls_port))
        first.send(request("OPTIONS", transport="TLS"), flow)
        first.send(request("BYE", transport="TLS"), flow)  # over the same connection, which is being made
        assert (await asyncio.wait_for(there.got.get(), 5))[0] == request("OPTIONS", transport="TLS")
        assert (await asyncio.wait_for(there.got.get(), 5))[0] == request("BYE", transport="TLS")
        assert len(first._connections) == 1
        first.send(request("INFO", transport="TLS"), Flow("tls", flow.remote, flow.local, name="other.example"), "who")
        async with asyncio.timeout(5):
            while not here.failed:
                await asyncio.sleep(0.01)
        assert here.failed == ["who"]  # it is not the certificate of that name
        _, reader, writer = await shown(second.tls_port)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            writer.write(request("OPTIONS", transport="TLS"))
            await reader.read(1)
        writer.close()
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await writer.wait_closed()
        assert there.got.empty()
    finally:
        await first.close()
        await second.close()


async def test_any_port_is_one_that_is_free_for_udp_as_well(monkeypatch):
    taken, real = [], Transports._bind

    async def bind(self, listener, port):
        if len(taken) < 2:  # free for TCP, and somebody else's for UDP
            taken.append(port)
            raise OSError(98, "Address already in use")
        await real(self, listener, port)

    monkeypatch.setattr(Transports, "_bind", bind)
    transports = Transports(lambda *message: None, lambda *failure: None)
    await transports.listen("127.0.0.1", 0)
    assert taken == [0, 0]
    assert transports.port
    await transports.close()
