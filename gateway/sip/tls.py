"""TLS for SIP: what we show, whom we trust, by `sip.tls` or by a trunk's own settings (RFC 3261 section 26, RFC 5922).

Connections of ours are the standard library's. Those that come in are OpenSSL's by pyOpenSSL, for two reasons: which
certificate is shown and asked for depends on who connects, and a client's certificate may be one for servers only, as
public authorities issue them; Python's own `ssl` refuses those and cannot be told not to.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, cast

import structlog
from cryptography import x509
from OpenSSL import SSL

from gateway.errors import ConfigError, plain
from gateway.sip.trunk.settings import TrunkTls

log = structlog.get_logger("gateway.sip")

HANDSHAKE_SECONDS = 20.0
"""After which a connection that has not shaken hands is closed."""

CHUNK = 16 * 1024
"""Bytes that are taken from OpenSSL at once: a TLS record."""

_WRONG_PURPOSE = 26  # X509_V_ERR_INVALID_PURPOSE


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """PEM files: the `certificate` with its chain, and its `key`; it is also shown to servers that we connect to.

    `ca` holds whom to trust instead of the system's list. With `client_certificates` who connects to us has to show
    one that `ca` vouches for.
    """

    certificate: str = ""
    key: str = ""
    port: int = 5061
    ca: str = ""
    client_certificates: bool = False

    def check(self, own: TrunkTls | None = None) -> None:
        """Raises ConfigError where the files, those of a trunk included, cannot be used."""
        wanted = self.of_trunk(own or TrunkTls())
        client_context(wanted.certificate, wanted.key, wanted.ca, wanted.ciphers)

    def of_trunk(self, own: TrunkTls) -> TrunkTls:
        """What holds for a trunk: its own settings, and these for what it leaves open."""
        pair = (own.certificate, own.key) if own.certificate else (self.certificate, self.key)
        asked = own.client_certificate or ("required" if self.client_certificates else "")
        return TrunkTls(*pair, own.ca or self.ca, own.ciphers, own.server_name, asked, own.client_names)


def client_context(certificate: str = "", key: str = "", ca: str = "", ciphers: str = "") -> ssl.SSLContext:
    """For connections of ours: servers are trusted that `ca` vouches for, and without one those of the system's list.

    With `ciphers`, which are TLS 1.2's, 1.3 is not offered: it has its own. Raises ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca else ssl.create_default_context()
    try:
        if certificate:
            context.load_cert_chain(certificate, key)
        if ca:
            context.load_verify_locations(ca)
    except ssl.SSLError as error:
        both = f"the certificate {certificate} with the key {key}" if certificate else ""
        what = " and ".join(filter(None, (both, ca and f"the ca {ca}")))
        raise ConfigError("sip.tls", f"{what} cannot be used: {error}") from error
    except OSError as error:  # which does not say of which file
        missing = next((path for path in (certificate, key, ca) if path and not _readable(path)), "")
        raise ConfigError("sip.tls", f"{missing or certificate} cannot be read: {plain(error).lower()}") from error
    if ciphers:
        try:
            context.set_ciphers(ciphers)
        except ssl.SSLError as error:
            raise ConfigError("tls.ciphers", f"OpenSSL knows none of these: {ciphers}") from error
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _readable(path: str) -> bool:
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class ServerTls:
    """How those who connect from some addresses are met. `names`: of which their certificate has to bear one."""

    context: SSL.Context = field(repr=False)
    names: tuple[str, ...] = ()


def server_tls(wanted: TrunkTls) -> ServerTls:
    """Raises ConfigError."""
    client_context(wanted.certificate, wanted.key, wanted.ca, wanted.ciphers)  # says what is wrong with the files
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.use_certificate_chain_file(wanted.certificate)
    context.use_privatekey_file(wanted.key)
    if wanted.ciphers:
        context.set_cipher_list(wanted.ciphers.encode())
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    if wanted.client_certificate:
        context.load_verify_locations(wanted.ca)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verified)
    return ServerTls(context, wanted.client_names)


def _verified(connection: Any, certificate: Any, error: int, depth: int, good: int) -> bool:
    """Its own certificate, at depth 0, may be for servers: who signed it and until when counts all the same."""
    return bool(good) or (error == _WRONG_PURPOSE and depth == 0)


def bears(certificate: x509.Certificate, names: tuple[str, ...]) -> bool:
    """Whether a certificate is for one of `names`, in which a * stands for one label (RFC 5922 section 7.2)."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = [str(name) for name in found.get_values_for_type(x509.DNSName)]
    known += [str(name).removeprefix("sip:") for name in found.get_values_for_type(x509.UniformResourceIdentifier)]
    known += [str(name) for name in found.get_values_for_type(x509.IPAddress)]
    known = [name.lower() for name in known]
    wanted = [name.lower() for name in names]
    return any(_same_name(one, name) or _same_name(name, one) for one in known for name in wanted)


def _same_name(name: str, pattern: str) -> bool:
    return name.count(".") == pattern.count(".") and fnmatchcase(name, pattern)


class TlsServer(asyncio.Protocol):
    """One connection that came in: TLS outside, and within it `inner`, which sees an ordinary transport.

    `meet` says, for the peer's address, how it is met.
    """

    def __init__(self, meet: Callable[[str], ServerTls], inner: asyncio.Protocol) -> None:
        self._meet, self._inner = meet, inner
        self._tls: SSL.Connection | None = None
        self._names: tuple[str, ...] = ()
        self._ready = self._closing = False
        self._transport: asyncio.Transport | None = None
        self._patience: asyncio.TimerHandle | None = None
        self.peer = ""

    # from the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not peer:  # it was gone before we heard of it
            self._transport.abort()
            return
        self.peer = peer[0]
        met = self._meet(self.peer)
        self._tls, self._names = SSL.Connection(met.context, None), met.names
        self._tls.set_accept_state()
        self._patience = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._tls is None or self._closing:
            return
        try:
            self._tls.bio_write(data)
            if not self._ready:
                self._shake_hands()
            if self._ready:
                self._read()
        except SSL.WantReadError:
            self._flush()
        except SSL.ZeroReturnError:
            self.close()
        except SSL.Error as error:
            self._flush()  # the alert that says why
            self._refuse(_reason(error))

    def connection_lost(self, exc: Exception | None) -> None:
        self._calm()
        if self._ready:
            self._inner.connection_lost(exc)

    def eof_received(self) -> bool:
        return False

    def _shake_hands(self) -> None:
        """Raises SSL.Error."""
        assert self._tls is not None
        self._tls.do_handshake()
        self._flush()
        self._calm()
        shown = self._tls.get_peer_certificate(as_cryptography=True)
        if self._names and (shown is None or not bears(shown, self._names)):
            self._refuse(f"its certificate bears none of {', '.join(self._names)}")
            return
        self._ready = True
        self._inner.connection_made(_TlsTransport(self))

    def _read(self) -> None:
        """Raises SSL.Error, WantReadError where there is no more."""
        while not self._closing:
            assert self._tls is not None
            data = self._tls.recv(CHUNK)
            self._flush()
            self._inner.data_received(data)

    def _refuse(self, problem: str) -> None:
        log.warning("sip.tls_refused", remote=self.peer, problem=problem)
        if self._transport:
            self._transport.close()
        self._closing = True

    def _calm(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def _flush(self) -> None:
        """What OpenSSL has for the peer goes to it."""
        assert self._tls is not None
        while self._transport and not self._transport.is_closing():
            try:
                self._transport.write(self._tls.bio_read(CHUNK))
            except SSL.Error:  # WantReadError: nothing more
                return

    # from the inside

    def write(self, data: bytes) -> None:
        if self._tls is None or self._closing:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.send(view[:CHUNK]) :]
                self._flush()
        except SSL.Error as error:
            self._refuse(_reason(error))

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if self._tls and self._ready:
            try:
                self._tls.shutdown()
                self._flush()
            except SSL.Error:  # it is gone already
                pass
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        if self._transport:
            self._transport.abort()

    @property
    def closing(self) -> bool:
        return self._closing or self._transport is None or self._transport.is_closing()

    def extra(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default) if self._transport else default


class _TlsTransport(asyncio.Transport):
    """What the inner protocol writes to."""

    def __init__(self, tls: TlsServer) -> None:
        super().__init__()
        self._tls = tls

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tls.write(bytes(data))

    def close(self) -> None:
        self._tls.close()

    def abort(self) -> None:
        self._tls.abort()

    def is_closing(self) -> bool:
        return self._tls.closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._tls.extra(name, default)


def _reason(error: SSL.Error) -> str:
    """OpenSSL's words: `certificate verify failed`."""
    stack = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(one[-1]) for one in stack) or str(error) or "the connection broke within TLS"
