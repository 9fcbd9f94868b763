"""Addresses in session descriptions (RFC 8866 section 5.7): which are ones, which are names, which are refused."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Protocol

from gateway.errors import MediaAddressRefused
from gateway.sip.message.sdp import SessionDescription

UNSPECIFIED = ("0.0.0.0", "::")
"""As an address they hold the call (RFC 2543)."""

_NAME = re.compile(
    r"(?=.{1,253}\.?$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?"
)
"""The last label begins with a letter: 127.1 and 0x7f.1 are no names, whatever a resolver makes of them."""


class OwnAddresses(Protocol):
    """Our end: its address, and what the peer's names were found to be."""

    @property
    def host(self) -> str: ...
    @property
    def names(self) -> Mapping[str, str]: ...


def names_in(session: SessionDescription) -> set[str]:
    """Names that stand where an address does, and have to be looked up before there is anything to agree on."""
    hosts = {session.connection}
    for media in session.media:
        if media.port:
            hosts.add(media.connection)
            hosts |= {parts[3] for value in media.values("rtcp") if len(parts := value.split()) == 4}
    return {host for host in hosts if _NAME.fullmatch(host)}


def address_of(host: str, ours: OwnAddresses) -> str:
    """`host` as an address of our family, in the one way to write it. Raises MediaAddressRefused."""
    text = host
    if _NAME.fullmatch(host):
        if host not in ours.names:
            raise MediaAddressRefused(host, "there is no such host", 301)
        text = ours.names[host]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise MediaAddressRefused(host, "it is not an address", 301) from None
    if address.version != (6 if ":" in ours.host else 4):
        ours_is = "IPv6" if ":" in ours.host else "IPv4"
        raise MediaAddressRefused(host, f"the call came by {ours_is}, and its media has to", 300)
    plain = getattr(address, "ipv4_mapped", None) or address
    if plain.is_multicast:
        raise MediaAddressRefused(host, "it is a multicast address", 330)
    if str(address) in UNSPECIFIED:
        return str(address)
    if (plain.version == 4 and plain.is_reserved) or plain in _THIS_NETWORK or "%" in text:
        raise MediaAddressRefused(host, "it is no address of a host", 399)
    return str(address)


_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
