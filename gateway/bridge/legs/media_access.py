"""What a peer's media may be: names that are looked up, addresses that are refused, and who is vouched for."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from gateway.errors import MediaAddressRefused
from gateway.rtp import PortPool, Trust
from gateway.sip import UNSPECIFIED, Agreed, Session, UserAgent

NAME_SECONDS = 2.0
"""Longest wait for the address of a name in a session description: the call is not answered meanwhile."""

MAX_NAMES = 4
"""That are looked up for one description, and at the same time by the whole node."""


class MediaAccess:
    """Of one node."""

    def __init__(self, user_agent: UserAgent, ports: PortPool) -> None:
        self._user_agent, self._ports = user_agent, ports
        self._threads = ThreadPoolExecutor(MAX_NAMES, "names")  # started with the first name

    async def look_up(self, names: Iterable[str], ours: str) -> dict[str, str]:
        """Addresses of the family of `ours`, which is one; names that have none in time are left out."""
        family = socket.AF_INET6 if ":" in ours else socket.AF_INET
        loop = asyncio.get_running_loop()
        found: dict[str, str] = {}

        async def one(name: str) -> None:
            ask = loop.run_in_executor(self._threads, socket.getaddrinfo, name, None, family, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError, UnicodeError):  # TimeoutError is one
                async with asyncio.timeout(NAME_SECONDS):
                    found[name] = str((await ask)[0][4][0])

        await asyncio.gather(*(one(name) for name in sorted(names)[:MAX_NAMES]))
        return found

    def check(self, agreed: Agreed, session: Session, own_port: int) -> None:
        """Whether media may be sent there at all. Raises MediaAddressRefused."""
        host, port = agreed.remote
        if host in UNSPECIFIED or not _is_local(host):
            return
        trunk, (peer, peer_port) = session.trunk, session.dialog.flow.remote
        if ipaddress.ip_address(host).is_loopback and not _is_local(peer):
            raise MediaAddressRefused(host, f"it is this machine's own, and the call came from {peer}", 399)
        ours = self._user_agent.own_ports
        from_here = _is_local(peer) and peer_port in ours  # a call that this node makes to itself
        lent = port - port % 2 in self._ports.lent and not from_here and not (trunk and trunk.name)
        if port in ours or (own_port and port - port % 2 == own_port) or lent:
            raise MediaAddressRefused(host, f"the port {port} there is the gateway's own", 399)

    def trust(self, agreed: Agreed, session: Session) -> Trust:
        """Who vouches for what address, and whether media follows the peer's packets (symmetric RTP)."""
        trunk, peer = session.trunk, session.dialog.flow.remote[0]
        networks = self._user_agent.core.trunks.networks(trunk) if trunk else ()
        with contextlib.suppress(ValueError):  # a name of a host that was called directly
            networks = (*networks, ipaddress.ip_network(peer))
        nat = trunk.nat if trunk else "auto"
        if nat == "on":
            return Trust(networks, "any")
        seen = session.behind_nat or agreed.remote[0] != peer
        return Trust(networks, "trusted" if nat == "auto" and seen else "never")

    def reports_to(self, agreed: Agreed, trust: Trust) -> tuple[str, int] | None:
        """Where RTCP goes, if not to the port above: to the host of the media, or to one that is vouched for."""
        found = agreed.rtcp
        if found and (found[0] == agreed.remote[0] or trust.vouches(found[0])) and not self._is_ours(found):
            return found
        return None

    def _is_ours(self, address: tuple[str, int]) -> bool:
        return address[1] in self._user_agent.own_ports and _is_local(address[0])

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _is_local(host: str) -> bool:
    """An address of this machine: one that a socket can be bound to."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
            return True
    except OSError:
        return False
