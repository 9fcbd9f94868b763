"""The address that peers are told to reach us at: one that is named, or one that a STUN server sees (RFC 8489)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, cast

from aioice import stun

from gateway.errors import ConfigError, plain
from gateway.sip.flow import Address
from gateway.sip.lookup import Dns

AUTO = "auto"

STUN_SERVERS = ("stun.l.google.com:19302", "stun.cloudflare.com:3478")
"""Both answer everybody, and send nothing but an answer."""

RETRANSMISSIONS = 2
"""Of a request, after 0.5 and 1.5 s: a server that has said nothing after 3.5 s is not waited for."""

EVERY_SECONDS = 300.0
"""After which the servers are asked again: an address may be lent by the day."""


class PublicHost:
    """`wanted` is an address, empty for that of the route to each peer, or `auto`, which waits for `found`."""

    def __init__(self, wanted: str = "") -> None:
        self.auto = wanted == AUTO
        self.host = "" if self.auto else wanted

    def told(self, remote: str) -> str:
        """What `remote` is told; empty where that is the address of the route to it.

        A peer of the other family of addresses is not helped by it. One that was found, and not named, is for the
        Internet: peers in private networks, and on this machine, reach us without the NAT.
        """
        try:
            peer = ip_address(remote.partition("%")[0])
        except ValueError:
            return self.host
        try:
            other_family = ip_address(self.host).version != peer.version
        except ValueError:  # a name, or nothing
            other_family = False
        return "" if other_family or (self.auto and not peer.is_global) else self.host


async def find_public_host(servers: Sequence[str], local_host: str, nameservers: tuple[str, ...] = ()) -> str:
    """The address that the first of `servers` (host:port) to answer sees us at, as an IP address.

    `local_host` is where the request is sent from. Raises ConfigError where none answers.
    """
    problems = []
    local_host = local_host or "0.0.0.0"
    dns = Dns(nameservers, socket.AF_INET6 if ":" in local_host else socket.AF_INET)
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            hosts = await dns.addresses(host.strip("[]"))
            if hosts:
                return await _ask((hosts[0], int(port)), local_host)
            problems.append(f"there is no address of {server}")
        except (OSError, ValueError, stun.TransactionError) as error:
            problems.append(
                f"{server}: {str(error).lower() if isinstance(error, stun.TransactionError) else plain(error)}"
            )
    raise ConfigError(
        "sip.public_host",
        f"is auto, but no STUN server says which address that is ({'; '.join(problems)}); name the address itself, or "
        "other servers in sip.stun_servers",
    )


async def _ask(server: Address, local_host: str) -> str:
    """Raises OSError, ValueError, TransactionError."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    loop = asyncio.get_running_loop()
    transport, asking = await loop.create_datagram_endpoint(lambda: _Asking(request, server), (local_host, 0))
    try:
        told, _ = await asking.transaction.run()
    finally:
        transport.close()
    found = told.attributes.get("XOR-MAPPED-ADDRESS") or told.attributes.get("MAPPED-ADDRESS")
    if not found:
        raise ValueError("its answer names no address")
    return str(found[0])


class _Asking(asyncio.DatagramProtocol):
    """A binding request on its way; what comes from elsewhere, or answers something else, is passed over."""

    def __init__(self, request: stun.Message, server: Address) -> None:
        self._request, self._server = request, server
        self.transaction = stun.Transaction(request, server, self, retransmissions=RETRANSMISSIONS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def send_stun(self, message: stun.Message, addr: Address) -> None:
        self._transport.sendto(bytes(message), addr)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            message = stun.parse_message(data)
        except ValueError:
            return
        if message.transaction_id == self._request.transaction_id and tuple(addr[:2]) == self._server:
            self.transaction.response_received(message, self._server)

    def error_received(self, exc: Exception) -> None:
        """A server that refuses is as one that says nothing: the timer ends it."""
