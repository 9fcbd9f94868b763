"""DNS for `resolve`, by dnspython and the system's resolver. An answer is used for longer when the servers are away."""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import dns.asyncresolver
import dns.exception
import dns.resolver
import structlog

from gateway.sip.resolve import Naptr, Srv, hosts_of

log = structlog.get_logger("gateway.sip")

SECONDS = 3.0
"""Longest wait for one answer."""
MAX_NAMES = 1000
"""Answers that are remembered."""

Record = TypeVar("Record")


class Dns:
    """Implements `resolve.Names`. `nameservers` as host:port, none for the system's."""

    def __init__(self, nameservers: tuple[str, ...] = (), family: int = socket.AF_INET) -> None:
        self._family = family
        self._last: OrderedDict[tuple[str, str], list[Any]] = OrderedDict()
        self._resolver = dns.asyncresolver.Resolver(configure=not nameservers)
        if nameservers:
            pairs = [one.rpartition(":") for one in nameservers]
            self._resolver.nameservers = [host for host, _, _ in pairs]
            self._resolver.nameserver_ports = {host: int(port) for host, _, port in pairs}
        self._resolver.lifetime = SECONDS
        self._resolver.cache = dns.resolver.LRUCache(MAX_NAMES)
        self._own = bool(nameservers)

    async def naptr(self, name: str) -> list[Naptr]:
        def read(one: Any) -> Naptr:
            replacement = one.replacement.to_text(omit_final_dot=True)
            return Naptr(one.order, one.preference, one.service.decode("latin-1"), replacement)

        return await self._query(name, "NAPTR", read)

    async def srv(self, name: str) -> list[Srv]:
        def read(one: Any) -> Srv:
            return Srv(one.priority, one.weight, one.port, one.target.to_text(omit_final_dot=True))

        return await self._query(name, "SRV", read)

    async def addresses(self, name: str) -> list[str]:
        """By the system's resolver, which knows the hosts file."""
        if self._own:
            kinds = ("A",) if self._family == socket.AF_INET else ("AAAA",)
            return [host for kind in kinds for host in await self._query(name, kind, lambda one: str(one.address))]

        async def ask() -> list[str]:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(name, None, family=self._family, type=socket.SOCK_DGRAM)
            return list(dict.fromkeys(str(one[4][0]) for one in found))

        return await self._remembered(name, "addresses", ask)

    async def _query(self, name: str, kind: str, read: Callable[[Any], Record]) -> list[Record]:
        async def ask() -> list[Record]:
            try:
                return [read(one) for one in await self._resolver.resolve(name, kind, search=False)]
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                return []

        return await self._remembered(name, kind, ask)

    async def _remembered(self, name: str, kind: str, ask: Callable[[], Awaitable[list[Record]]]) -> list[Record]:
        """The answer; where the name servers give none, the last that they gave."""
        key = (name.lower(), kind)
        try:
            async with asyncio.timeout(SECONDS + 1):
                found = await ask()
        except (dns.exception.DNSException, OSError) as error:  # TimeoutError is one
            stale: list[Record] = self._last.get(key, [])
            log.warning("sip.no_answer_from_dns", name=name, kind=kind, problem=str(error), used_again=len(stale))
            return stale
        if found:
            self._last[key] = found
            self._last.move_to_end(key)
            if len(self._last) > MAX_NAMES:
                self._last.popitem(last=False)
        return found


async def addresses_of(name: str, nameservers: tuple[str, ...] = ()) -> set[str]:
    """All that serve SIP under a name; none if there is no such name."""
    return await hosts_of(name, Dns(nameservers))
