"""SIP messages as a capture file that Wireshark reads (libpcap's format, version 2.4, link type RAW).

What is remembered of a call is messages and not packets, without credentials: each becomes one IP datagram with UDP
around it, also where it went over TCP or TLS. Addresses are those of the wire; the checksums of UDP are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.sip.trace import Traced

LINKTYPE_RAW = 101
UDP = 17
MAX_TEXT = 65535 - 40 - 8
"""Bytes of a message that fit into one datagram."""

Address = IPv4Address | IPv6Address


def capture(messages: Iterable[Traced]) -> bytes:
    """A whole file; messages whose addresses are not known are left out."""
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_RAW)]
    for one in messages:
        ours, theirs = _end(one.local), _end(one.peer.partition(":")[2])
        if ours is None or theirs is None:
            continue
        ends = (ours, theirs) if one.what == "sent" else (theirs, ours)
        packet = _packet(*ends, one.message.encode()[:MAX_TEXT])
        whole, part = divmod(round(one.at * 1e6), 1_000_000)
        parts.append(struct.pack("<IIII", whole, part, len(packet), len(packet)) + packet)
    return b"".join(parts)


def _end(text: str) -> tuple[Address, int] | None:
    """`address:port`, an IPv6 one with or without brackets."""
    host, _, port = text.rpartition(":")
    try:
        return ip_address(host.strip("[]").partition("%")[0]), int(port)
    except ValueError:
        return None


def _packet(source: tuple[Address, int], target: tuple[Address, int], body: bytes) -> bytes:
    (from_, from_port), (to, to_port) = source, target
    datagram = struct.pack(">HHHH", from_port, to_port, 8 + len(body), 0) + body
    if from_.version == 6 or to.version == 6:  # RFC 8200 section 3
        head = struct.pack(">IHBB", 6 << 28, len(datagram), UDP, 64)
        return head + _sixteen(from_) + _sixteen(to) + datagram
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, UDP, 0) + from_.packed + to.packed
    total = sum(struct.unpack(">10H", head))  # RFC 1071
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return head[:10] + struct.pack(">H", checksum) + head[12:] + datagram


def _sixteen(address: Address) -> bytes:
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
