"""TLS from both sides, with certificates of every kind: the checks are OpenSSL's, the peers real."""

import asyncio
import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.errors import ConfigError
from gateway.sip import SipSettings, Timing, TlsSettings, Trunk, TrunkTls, Uri, UserAgent
from gateway.sip.flow import Flow
from gateway.sip.tls import bears, client_context, server_tls
from gateway.sip.transport import Transports
from tests.certificates import make_certificate
from tests.wire import request

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


class Authority:
    """Signs certificates, as a carrier's does."""

    def __init__(self, folder, name="ca"):
        folder.mkdir(exist_ok=True)
        self.folder, self.key = folder, rsa.generate_private_key(65537, 2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.pem = self._write("ca", self._signed(self.name, self.key, [], None, True), None)[0]

    def _signed(self, subject, key, names, purpose, authority=False, days=1):
        now = datetime.datetime.now(datetime.UTC)
        built = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=2))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )  # fmt: skip
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if purpose:
            built = built.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def _write(self, name, certificate, key):
        pem = serialization.Encoding.PEM
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        if key:
            plain = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            (self.folder / f"{name}.key").write_bytes(plain)
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")

    def issue(self, name, purpose=None, days=1):
        """For a host of that name and 127.0.0.1; paths of the certificate and its key."""
        key = rsa.generate_private_key(65537, 2048)
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name.replace("*", "any"), self._signed(subject, key, names, purpose, days=days), key)


async def listening(settings, trunk=None, received=None):
    """A transport that is connected to from the addresses of `trunk`."""
    heard = [] if received is None else received
    one = Transports(lambda data, flow: heard.append(data), lambda client: None, trunks_at=lambda host: ["t"])
    await one.listen("127.0.0.1", 0, settings)
    one.use({"t": trunk} if trunk else {})
    return one


async def connects(port, ca, pair=("", ""), name="gateway.example", ciphers="", version=None):
    """Whether a client gets through with a whole message; the context is the standard library's."""
    context = client_context(*pair, ca, ciphers)
    if version:
        context.maximum_version = version
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        writer.write(b"\r\n\r\n" + request("OPTIONS", transport="TLS"))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()
        await writer.wait_closed()
        return True
    except OSError:
        return False


@pytest.fixture
def world(tmp_path):
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    return ours, theirs, TlsSettings(*ours.issue("gateway.example"), port=0)


@pytest.mark.parametrize("purpose", [None, SERVER, CLIENT], ids=["any", "serverAuth", "clientAuth"])
async def test_a_peer_may_show_a_certificate_for_servers_only(world, purpose):
    """As Microsoft Teams does: public authorities issue no others any more."""
    ours, theirs, settings = world
    heard = []
    trunk = TrunkTls(ca=theirs.pem, client_certificate="required", client_names=("*.carrier.example",))
    one = await listening(settings, trunk, heard)
    try:
        assert await connects(one.tls_port, ours.pem, theirs.issue("sip.carrier.example", purpose))
        assert any(b"OPTIONS" in data for data in heard)
    finally:
        await one.close()


@pytest.mark.parametrize("fault", ["none", "another authority", "another name", "ended"])
async def test_a_peer_that_does_not_show_who_it_is_gets_nothing_through(world, fault):
    ours, theirs, settings = world
    heard = []
    trunk = TrunkTls(ca=theirs.pem, client_certificate="required", client_names=("*.carrier.example",))
    one = await listening(settings, trunk, heard)
    pair = {
        "none": ("", ""),
        "another authority": ours.issue("sip.carrier.example"),
        "another name": theirs.issue("sip.carrier.example.evil.example"),
        "ended": theirs.issue("old.carrier.example", days=-1),
    }[fault]
    try:
        await connects(one.tls_port, ours.pem, pair)
        assert heard == []
    finally:
        await one.close()


async def test_each_trunk_may_see_another_certificate_and_other_ciphers(world):
    ours, theirs, settings = world
    own = TrunkTls(*theirs.issue("gateway.carrier.example"), ciphers="AES128-SHA256:AES256-SHA256")
    one = await listening(settings, own)
    try:
        assert not await connects(one.tls_port, ours.pem)
        port = one.tls_port
        wanted = {"name": "gateway.carrier.example", "version": ssl.TLSVersion.TLSv1_2}
        assert await connects(port, theirs.pem, **wanted, ciphers="AES128-SHA256")  # RSA and CBC, as Bandwidth has it
        assert not await connects(port, theirs.pem, **wanted, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
        one.use({})
        assert await connects(port, ours.pem)
    finally:
        await one.close()


async def test_who_is_trusted_on_calls_out_is_the_ca_and_nobody_else(world, monkeypatch):
    ours, theirs, settings = world
    context = client_context(ca=ours.pem)
    assert [dict(one["subject"][0])["commonName"] for one in context.get_ca_certs()] == ["ours"]
    assert len(client_context().get_ca_certs()) != 1  # the system's
    heard, failed = [], []
    far = await listening(settings, received=heard)
    near = Transports(lambda data, flow: None, failed.append)
    await near.listen("127.0.0.1", 0)
    flow = Flow("tls", ("127.0.0.1", far.tls_port), ("127.0.0.1", near.port), name="gateway.example", tls="t")
    try:
        near.use({"t": TrunkTls(ca=theirs.pem)})
        near.send(request("OPTIONS", transport="TLS"), flow, "who")
        async with asyncio.timeout(5):
            while not failed:
                await asyncio.sleep(0.01)
        near.use({"t": TrunkTls(ca=ours.pem)})
        near.send(request("OPTIONS", transport="TLS"), flow, "again")
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
    finally:
        await near.close()
        await far.close()


async def test_large_messages_pass_and_noise_does_not(world):
    ours, _, settings = world
    heard = []
    one = await listening(settings, received=heard)
    context = client_context(ca=ours.pem)
    try:
        _, plain = await asyncio.open_connection("127.0.0.1", one.tls_port)
        plain.write(b"INVITE sip:a@b SIP/2.0\r\n\r\n" * 10)  # no TLS at all
        _, writer = await asyncio.open_connection(
            "127.0.0.1", one.tls_port, ssl=context, server_hostname="gateway.example"
        )
        body = b"x" * 60_000
        writer.write(request("INFO", transport="TLS", body=body))
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.01)
        assert heard[0].endswith(body)
        writer.close()
        plain.close()
    finally:
        await one.close()


def test_files_and_ciphers_that_cannot_be_used_are_named(tmp_path, world):
    ours, theirs, settings = world
    with pytest.raises(ConfigError, match="cannot be read: no such file"):
        settings.check(TrunkTls(ca=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigError, match="cannot be used"):
        settings.check(TrunkTls(ours.issue("a")[0], theirs.issue("b")[1]))
    with pytest.raises(ConfigError, match="OpenSSL knows none of these: NO-SUCH"):
        settings.check(TrunkTls(ciphers="NO-SUCH"))
    with pytest.raises(ConfigError, match="cannot be read"):
        server_tls(TrunkTls("x.pem", "x.key"))


@pytest.mark.parametrize(
    ("names", "good"),
    [
        (("sip.carrier.example",), True),
        (("*.carrier.example",), True),
        (("*.example",), False),
        (("SIP.Carrier.Example",), True),
        (("127.0.0.1",), True),
        (("carrier.example", "other"), False),
        ((), False),
    ],
)
def test_which_names_a_certificate_bears(world, names, good):
    path, _ = world[1].issue("sip.carrier.example")
    with open(path, "rb") as file:
        assert bears(x509.load_pem_x509_certificate(file.read()), names) is good


def test_a_certificate_without_names_bears_none(tmp_path):
    path, _, _ = make_certificate(tmp_path, "a")
    with open(path, "rb") as file:
        assert not bears(x509.load_pem_x509_certificate(file.read()), ("a",))


@pytest.mark.parametrize(("name", "status"), [("gateway.example", 200), ("other.example", 0)])
async def test_a_server_may_bear_another_name_than_the_one_that_is_called(world, name, status):
    ours, _, settings = world
    far = UserAgent(SipSettings(port=0, tls=settings), lambda event: None)
    await far.listen()
    server = Uri.parse(f"sip:127.0.0.1:{far.tls_port};transport=tls")
    trunk = Trunk("t", server=server, tls=TrunkTls(ca=ours.pem, server_name=name))
    near = UserAgent(SipSettings(port=0, trunks=(trunk,), timing=Timing(t1=0.02, t2=0.1)), lambda event: None)
    await near.listen()
    try:
        async with asyncio.timeout(10):
            assert (await near.probe(trunk, "OPTIONS")).status == status
    finally:
        await near.close()
        await far.close()
