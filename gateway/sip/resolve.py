"""Where a SIP URI leads: NAPTR, SRV and address records in the order in which to try them (RFC 3263, RFC 2782)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from gateway.sip.message.uri import Uri

SERVICES = {"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}
PREFIX = {"udp": "_sip._udp.", "tcp": "_sip._tcp.", "tls": "_sips._tcp."}
MAX_HOPS = 12
"""Servers that are tried for one request."""


@dataclass(frozen=True, slots=True)
class Naptr:
    order: int
    preference: int
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    priority: int
    weight: int
    port: int
    target: str


class Names(Protocol):
    """DNS. What is not there, or does not answer, is an empty list."""

    async def naptr(self, name: str) -> list[Naptr]: ...
    async def srv(self, name: str) -> list[Srv]: ...
    async def addresses(self, name: str) -> list[str]: ...


@dataclass(frozen=True, slots=True)
class Hop:
    """One server: `transport` is udp, tcp or tls, `host` an address."""

    transport: str
    host: str
    port: int


async def locate(uri: Uri, names: Names, transports: Sequence[str], chance: Callable[[], float]) -> list[Hop]:
    """The servers for `uri`, best first; empty where there is none that can be reached by our `transports`."""
    named = uri.params.get("transport", "").lower()
    if uri.scheme == "sips":
        wanted: list[str] = ["tls"]
    else:
        wanted = [named] if named else list(transports)
    wanted = [one for one in wanted if one in transports]
    if not wanted:
        return []
    if _is_address(uri.host) or uri.port:
        transport = uri.transport if uri.transport in transports else wanted[0]
        return await _hosts(names, transport, uri.host, uri.port or _default(transport))
    if not named and uri.scheme != "sips":
        hops = await _by_naptr(uri.host, names, wanted, chance)
        if hops:
            return hops
    for transport in wanted:
        if hops := await _by_srv(PREFIX[transport] + uri.host, transport, names, chance):
            return hops
    transport = uri.transport if uri.transport in wanted else wanted[0]
    return await _hosts(names, transport, uri.host, _default(transport))


async def hosts_of(name: str, names: Names) -> set[str]:
    """All addresses that serve SIP under a name, by whatever transport: those of its SRV records, and its own."""
    if _is_address(name):
        return {name}
    targets = {one.target for prefix in PREFIX.values() for one in await names.srv(prefix + name)} - {"", "."}
    found = [await names.addresses(one) for one in [*sorted(targets)[:MAX_HOPS], name]]
    return {host for hosts in found for host in hosts}


async def _by_naptr(name: str, names: Names, wanted: list[str], chance: Callable[[], float]) -> list[Hop]:
    hops: list[Hop] = []
    for record in sorted(await names.naptr(name), key=lambda one: (one.order, one.preference)):
        transport = SERVICES.get(record.service.upper())
        if transport in wanted and transport is not None and len(hops) < MAX_HOPS:
            hops += await _by_srv(record.replacement, transport, names, chance)
    return hops[:MAX_HOPS]


async def _by_srv(name: str, transport: str, names: Names, chance: Callable[[], float]) -> list[Hop]:
    hops: list[Hop] = []
    for record in _by_weight(await names.srv(name), chance):
        if record.target not in ("", ".") and len(hops) < MAX_HOPS:  # a dot says that there is no such service
            hops += await _hosts(names, transport, record.target, record.port)
    return hops[:MAX_HOPS]


def _by_weight(records: list[Srv], chance: Callable[[], float]) -> list[Srv]:
    """By priority; within one priority at random, in proportion to the weights (RFC 2782)."""
    ordered = []
    for priority in sorted({one.priority for one in records}):
        left = sorted((one for one in records if one.priority == priority), key=lambda one: one.weight)
        while left:
            point = chance() * sum(one.weight for one in left)
            for one in left:
                point -= one.weight
                if point <= 0 or one is left[-1]:
                    ordered.append(one)
                    left.remove(one)
                    break
    return ordered


async def _hosts(names: Names, transport: str, host: str, port: int) -> list[Hop]:
    found = [host] if _is_address(host) else await names.addresses(host)
    return [Hop(transport, one, port) for one in found[:MAX_HOPS]]


def _default(transport: str) -> int:
    return 5061 if transport == "tls" else 5060


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
        return True
    except ValueError:
        return False
