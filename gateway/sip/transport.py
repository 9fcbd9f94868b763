"""The sockets under SIP: UDP, TCP and TLS listeners, connections that are used again, names that are looked up.

Requests that come in are handed up as bytes with the flow they came on; nothing here knows what a message means.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
import ssl
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import structlog

from gateway.errors import PortInUse
from gateway.sip.flow import Address, Flow
from gateway.sip.message.framing import PING, PONG, StreamFramer
from gateway.sip.public_host import PublicHost
from gateway.sip.tls import ServerTls, TlsServer, TlsSettings, client_context, server_tls
from gateway.sip.trunk.settings import TrunkTls

log = structlog.get_logger("gateway.sip")

MAX_CONNECTIONS = 2000
"""Connections at once; further ones are closed at once."""

FREE_PORT_TRIES = 8
"""Where any port will do."""

MAX_UNKNOWN, MAX_OF_ADDRESS = 1000, 20
"""Of those, connections of whom nobody has vouched for yet: of all together, and of one address (of IPv6, one /64).
The rest is for trunks, for users who have logged in, and for calls in progress."""

UNKNOWN_SECONDS = 32.0
"""A connection that nobody has vouched for by then is closed (64 * T1: no transaction takes longer). One of a trunk is
closed where it has not brought one whole message."""

ROUTE_SECONDS = 30.0
"""For which it is remembered by which address of ours a peer is reached."""

CONNECT_SECONDS = 10.0
"""Longest wait for a connection of ours to be made."""

CLOSE_SECONDS = 0.5
"""In which, at the end, what was written gets out, and peers over TLS answer that we close."""

Receive = Callable[[bytes, Flow], None]
Fail = Callable[[object], None]


@dataclass(slots=True)
class _Listener:
    """One address that is listened on; `public_host` is what peers are told instead."""

    host: str
    port: int
    public_host: PublicHost
    tls_port: int = 0
    udp: asyncio.DatagramTransport | None = None

    def told(self, remote: str, transport: str) -> Address:
        """Where `remote` reaches it."""
        host = self.public_host.told(remote) or local_host_for(self.host, remote)
        return host, self.tls_port if transport == "tls" else self.port


class Transports:
    """UDP and TCP on one host and port, TLS on another; `listen` may be called for several hosts."""

    def __init__(
        self,
        receive: Receive,
        failed: Fail,
        trusts: Callable[[str], bool] = lambda host: True,
        trunks_at: Callable[[str], list[str]] = lambda host: [],
    ) -> None:
        """`trusts` says whether a host may have as many connections as it likes, `trunks_at` whose it is."""
        self._trunks_at = trunks_at
        self._receive = receive
        self._failed = failed
        self.trusts = trusts
        self._unknown: Counter[str] = Counter()  # connections that nobody has vouched for, by address
        self._listeners: list[_Listener] = []
        self._servers: list[asyncio.Server] = []
        self._tls: TlsSettings | None = None
        self._server_tls: ServerTls | None = None
        self._trunk_server_tls: dict[str, ServerTls] = {}  # of those that have their own, by name
        self._client_tls: ssl.SSLContext | None = None
        self._trunk_tls: dict[str, ssl.SSLContext] = {}  # of those that have their own, by name
        self._trunk_settings: Mapping[str, TrunkTls] = {}
        self._connections: dict[int, _Connection] = {}
        self._tls_servers: weakref.WeakSet[TlsServer] = weakref.WeakSet()
        self._connecting: dict[tuple[str, Address, str, str], list[tuple[bytes, object]]] = {}  # what waits for each
        self._tasks: set[asyncio.Task[None]] = set()
        self._serial = itertools.count(1)

    @property
    def port(self) -> int:
        """Of the first listener, for UDP and TCP."""
        return self._listeners[0].port

    @property
    def tls_port(self) -> int:
        """Of the first listener; 0 where TLS is not listened to."""
        return self._listeners[0].tls_port

    async def listen(
        self, host: str, port: int, tls: TlsSettings | None = None, public_host: PublicHost | None = None
    ) -> None:
        """Raises PortInUse, ConfigError. Port 0 takes a free one, the same for UDP and TCP."""
        listener = _Listener(host, port, public_host or PublicHost())
        for left in reversed(range(1 if port else FREE_PORT_TRIES)):
            try:
                await self._bind(listener, port)
                break
            except OSError as error:
                if not left:  # one that is free for TCP may be taken for UDP
                    await self.close()
                    raise PortInUse("SIP", host, port, "--sip-port or GATEWAY_SIP_PORT") from error
        self._listeners.append(listener)
        if tls:
            await self._listen_tls(listener, tls)

    async def _bind(self, listener: _Listener, port: int) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self, "tcp", listener), listener.host, port)
        listener.port = server.sockets[0].getsockname()[1]
        try:
            listener.udp, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self, listener), (listener.host, listener.port)
            )
        except OSError:
            server.close()
            raise
        self._servers.append(server)

    async def _listen_tls(self, listener: _Listener, tls: TlsSettings) -> None:
        if self._tls is None:
            self._tls = tls
            self.reload()
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: self._tls_server(listener), listener.host, tls.port
            )
        except OSError as error:
            await self.close()
            raise PortInUse("SIP over TLS", listener.host, tls.port, "sip.tls.port") from error
        self._servers.append(server)
        listener.tls_port = server.sockets[0].getsockname()[1]

    def reload(self) -> None:
        """Read the certificate again; connections that are open keep the old one. Raises ConfigError."""
        self.use(self._trunk_settings)

    def use(self, trunks: Mapping[str, TrunkTls]) -> None:
        """What trunks have of their own, for connections to come; all files are read. Raises ConfigError, and then all
        is as it was."""
        tls = self._tls or TlsSettings()
        wanted = {name: tls.of_trunk(own) for name, own in trunks.items()}
        clients = {name: client_context(one.certificate, one.key, one.ca, one.ciphers) for name, one in wanted.items()}
        if self._tls:
            client = client_context(tls.certificate, tls.key, tls.ca)
            server = server_tls(tls.of_trunk(TrunkTls()))
            servers = {name: server_tls(one) for name, one in wanted.items()}
            self._client_tls, self._server_tls, self._trunk_server_tls = client, server, servers
        self._trunk_settings, self._trunk_tls = trunks, clients

    def believe_anybody(self) -> None:
        """Servers need no certificate that is known, from now on."""
        self._client_tls = client_context()
        self._client_tls.check_hostname, self._client_tls.verify_mode = False, ssl.CERT_NONE

    def _tls_server(self, listener: _Listener) -> TlsServer:
        server = TlsServer(self._meet, _Connection(self, "tls", listener))
        self._tls_servers.add(server)
        return server

    def _meet(self, host: str) -> ServerTls:
        """How who connects from `host` is met: as the first trunk there says that has TLS settings of its own."""
        assert self._server_tls is not None
        own = next((name for name in self._trunks_at(host) if name in self._trunk_server_tls), "")
        return self._trunk_server_tls.get(own, self._server_tls)

    @property
    def own_ports(self) -> set[int]:
        return {listener.port for listener in self._listeners}

    def vouch(self, number: int) -> None:
        """The peer of this connection is known now."""
        if connection := self._connections.get(number):
            connection.vouch()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What requests of ours can go by."""
        return ("udp", "tcp", "tls")

    def local(self, remote: Address, transport: str) -> Address:
        """The address that `remote` reaches us at."""
        return self._for(remote[0]).told(remote[0], transport)

    def _for(self, remote: str) -> _Listener:
        """The listener on the way to `remote`: of its family, and of several the one that the route leads through."""
        fitting = [one for one in self._listeners if (":" in one.host) == (":" in remote)] or self._listeners
        if len(fitting) == 1:
            return fitting[0]
        route = local_host_for("::" if ":" in remote else "0.0.0.0", remote)
        return next((one for one in fitting if one.host == route), fitting[0])

    def _of(self, flow: Flow) -> _Listener:
        """The listener that the peer of `flow` knows us by."""
        known = (one for one in self._listeners if one.told(flow.remote[0], flow.transport) == flow.local)
        return next(known, None) or self._for(flow.remote[0])

    def send(self, data: bytes, flow: Flow, client: object = None) -> None:
        """Put a message on the wire; where that fails `failed(client)` is called, at once or later."""
        if flow.transport == "udp":
            if _is_address(flow.remote[0]):
                self._send_udp(data, flow, client)
            else:
                self._spawn(self._resolve_and_send(data, flow, client))
            return
        key = flow.transport, flow.remote, flow.name, flow.tls
        connection = self._connections.get(flow.connection) or next(
            (one for one in self._connections.values() if one.serves(key)), None
        )
        if connection:
            connection.write(data)
        elif flow.transport not in ("tcp", "tls"):
            self._failed(client)
        elif key in self._connecting:
            self._connecting[key].append((data, client))
        else:
            self._connecting[key] = [(data, client)]
            self._spawn(self._connect(flow))

    def _send_udp(self, data: bytes, flow: Flow, client: object) -> None:
        listener = self._listeners[0] if len(self._listeners) == 1 else self._of(flow)
        if listener.udp is None or listener.udp.is_closing():
            self._failed(client)
            return
        try:
            listener.udp.sendto(data, flow.remote)
        except (OSError, ValueError, OverflowError) as error:  # uvloop raises ValueError for another family's address
            log.warning("sip.send_failed", remote=flow.remote, problem=str(error))
            self._failed(client)

    async def _resolve_and_send(self, data: bytes, flow: Flow, client: object) -> None:
        try:
            family = socket.AF_INET6 if ":" in self._listeners[0].host else socket.AF_INET
            found = await asyncio.get_running_loop().getaddrinfo(*flow.remote, type=socket.SOCK_DGRAM, family=family)
            self._send_udp(data, replace(flow, remote=cast(Address, found[0][4][:2])), client)
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is too long
            log.warning("sip.no_such_host", remote=flow.remote, problem=str(error))
            self._failed(client)

    async def _connect(self, flow: Flow) -> None:
        key = flow.transport, flow.remote, flow.name, flow.tls
        secure = None
        if flow.transport == "tls":
            secure = self._trunk_tls.get(flow.tls) or self._client_tls or ssl.create_default_context()
        name = (flow.name or flow.remote[0]) if secure else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: _Connection(self, flow.transport, self._of(flow), ours=True),
                    *flow.remote,
                    ssl=secure,
                    server_hostname=name,
                )
            connection.remote, connection.name, connection.tls = flow.remote, flow.name, flow.tls
            for data, _ in self._connecting.pop(key):
                connection.write(data)
        except (OSError, ValueError, OverflowError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            log.warning("sip.connect_failed", remote=flow.remote, problem=str(error) or "no answer")
            for _, client in self._connecting.pop(key):
                self._failed(client)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """All connections are gone when it returns, so that none is left in a loop that ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            if listener.udp:
                listener.udp.close()
        open_ = list(self._connections.values())
        for connection in open_:
            connection.close()
        if open_:
            await asyncio.wait([one.lost for one in open_], timeout=CLOSE_SECONDS)
        for connection in list(self._connections.values()):
            connection.abort()
        for server_side in list(self._tls_servers):  # also those that have not shaken hands yet
            server_side.abort()
        await asyncio.sleep(0)

    # from the protocols

    def received(self, data: bytes, flow: Flow, listener: _Listener) -> None:
        self._receive(data, replace(flow, local=listener.told(flow.remote[0], flow.transport)))

    def opened(self, connection: _Connection) -> int:
        """Its number; 0 where there are too many already."""
        network = connection.network
        crowded = not connection.vouched and (
            self._unknown.total() >= MAX_UNKNOWN or self._unknown[network] >= MAX_OF_ADDRESS
        )
        if crowded or len(self._connections) >= MAX_CONNECTIONS:
            return 0
        number = next(self._serial)
        self._connections[number] = connection
        if not connection.vouched:
            self._unknown[network] += 1
        return number

    def known(self, connection: _Connection) -> None:
        """It does not count as unknown any more."""
        self._unknown[connection.network] -= 1
        if self._unknown[connection.network] <= 0:
            del self._unknown[connection.network]

    def closed(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection and not connection.vouched:
            self.known(connection)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, transports: Transports, listener: _Listener) -> None:
        self._transports, self._listener = transports, listener

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if len(data) > 4 or data.strip(b"\r\n\0"):  # shorter ones are keepalives of NAT-bound peers
            self._transports.received(data, Flow("udp", (addr[0], addr[1]), ("", 0)), self._listener)

    def error_received(self, exc: Exception) -> None:
        """An ICMP error: the transaction's timer is the one that decides."""


class _Connection(asyncio.Protocol):
    """One TCP or TLS connection, either way round."""

    def __init__(self, transports: Transports, kind: str, listener: _Listener, ours: bool = False) -> None:
        self.vouched = ours
        self.network = ""  # whom it counts for while nobody has vouched for it
        self._transports, self._kind, self._listener = transports, kind, listener
        self._patience: asyncio.TimerHandle | None = None
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.remote: Address = ("", 0)
        self.name = self.tls = ""  # whose certificate was asked for, and by which trunk

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        if not peer:  # it was gone before we heard of it
            transport.abort()  # type: ignore[attr-defined]
            return
        self.remote, self.network = peer[:2], _network_of(peer[0])
        self.vouched = self.vouched or self._transports.trusts(peer[0])
        self._number = self._transports.opened(self)
        if self._number:
            self._patience = asyncio.get_running_loop().call_later(UNKNOWN_SECONDS, self.close)
        else:
            transport.abort()  # type: ignore[attr-defined]

    def vouch(self) -> None:
        if not self.vouched:
            self.vouched = True
            self._transports.known(self)
        self._be_patient()

    def _be_patient(self) -> None:
        if self._patience:
            self._patience.cancel()
            self._patience = None

    def data_received(self, data: bytes) -> None:
        flow = Flow(self._kind, self.remote, ("", 0), self._number)
        messages = self._framer.feed(data)
        if messages and self.vouched:
            self._be_patient()
        for message in messages:
            if message == PING:
                self.write(PONG)
            else:
                self._transports.received(message, flow, self._listener)
        if error := self._framer.error:  # what was whole before it has been answered
            log.warning("sip.stream_unreadable", remote=self.remote, problem=error.problem)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._be_patient()
        self._transports.closed(self._number)
        if not self.lost.done():
            self.lost.set_result(None)

    def serves(self, key: tuple[str, Address, str, str]) -> bool:
        kind, remote, name, tls = key
        return (self._kind, self.remote) == (kind, remote) and name in ("", self.name) and tls in ("", self.tls)

    def write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()


def _is_address(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
            return True
        except OSError:
            continue
    return False


def _network_of(host: str) -> str:
    """Whom connections of `host` count for: an address of IPv4, a network of 64 bits of IPv6."""
    return str(ipaddress.ip_network(f"{host.partition('%')[0]}/64", strict=False)) if ":" in host else host


_routes: dict[str, tuple[str, float]] = {}


def local_host_for(bound: str, remote: str) -> str:
    """`bound`, or where that is the unspecified address, the local address that the route to `remote` uses."""
    if bound not in ("0.0.0.0", "::", ""):
        return bound
    known, until = _routes.get(remote, ("", 0.0))
    now = time.monotonic()
    if now < until:
        return known
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((remote, 9))  # sends nothing
            host: str = probe.getsockname()[0]
    except OSError:  # no such route, or no socket left
        return known or ("::1" if ":" in remote else "127.0.0.1")
    if len(_routes) >= 10_000:
        _routes.clear()
    _routes[remote] = host, now + ROUTE_SECONDS
    return host
