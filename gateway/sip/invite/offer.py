"""Offer and answer for one audio stream (RFC 3264): what both sides speak, and where the media goes."""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.errors import MediaAddressRefused, NoCommonCodec, SdpError, SipParseError
from gateway.sip.flow import Address
from gateway.sip.invite.media_address import UNSPECIFIED, address_of
from gateway.sip.message.grammar import decimal, parse_int
from gateway.sip.message.sdp import Media, SessionDescription, serialize

_LIFETIME = re.compile(r"2\^\d{1,2}|\d{1,15}")
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
TELEPHONE_EVENT = "telephone-event"

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""Of SRTP, in order of preference (RFC 4568 section 6.2)."""

PTIMES = (10, 20, 30, 40, 60)
"""Lengths of packets that are sent, in ms."""

PLAIN, SECURE = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF")

STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000), "9": ("G722", 8000)}
"""Payload types that need no rtpmap (RFC 3551 table 4)."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A row of the codec table as SDP spells it: encoding name, RTP clock in Hz, payload type."""

    name: str
    clock_hz: int
    payload_type: int


@dataclass(frozen=True, slots=True)
class Crypto:
    """A line of SDES (RFC 4568): master keys with their salts, 30 bytes each, of the side that wrote it.

    Each key stands under the identifier that packets name it by (MKI), which is empty where there is none.
    """

    tag: str
    suite: str
    keys: Mapping[bytes, bytes] = field(repr=False)

    def line(self) -> str:
        """For a key of ours, which has no identifier."""
        return f"{self.tag} {self.suite} inline:{b2a_base64(self.keys[b''], newline=False).decode()}"


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end of the stream. `formats` in order of preference; telephone-event (RFC 4733) is offered besides.

    `srtp` is off, optional or required; `srtp_key` is ours, 30 bytes. `suites` are those that our offers have, and
    `protocol` that of their m= line, where it is not RTP/SAVP for required and RTP/AVP for the rest. `names` are
    addresses of the names that the peer's descriptions hold (`names_in`), as far as they could be found.
    """

    host: str
    port: int
    formats: tuple[AudioFormat, ...]
    session_id: int
    version: int = 1
    ptime_ms: int = 20  # that we ask to be sent
    dtmf_payload_type: int = 101
    srtp: str = "off"
    srtp_key: bytes = b""
    direction: str = "sendrecv"  # of our offers
    names: Mapping[str, str] = field(default_factory=dict)
    suites: tuple[str, ...] = SUITES
    protocol: str = ""

    def key_of(self, suite: str) -> bytes:
        """Ours for that suite: each line of an offer has a key of its own (RFC 4568 section 6.1)."""
        if suite == SUITES[0]:
            return self.srtp_key
        return hashlib.sha512(self.srtp_key + suite.encode()).digest()[:30]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What came of offer and answer. `send` and `receive` are from our side: held by the peer is `send=False`.

    `remote` is an address, never a name; 0.0.0.0 or :: for a hold as RFC 2543 had it. `others` are the formats besides
    `format` that both sides named, of which any may come, and `dtmf_types` the payload types that keys may have.
    """

    format: AudioFormat
    dtmf_payload_type: int | None
    remote: Address
    send: bool
    receive: bool
    crypto: Crypto | None = None  # the peer's, where the media is encrypted
    rtcp: Address | None = None  # where its reports are wanted, if not on the port above (RFC 3605)
    mux: bool = False  # RTCP by the port of RTP (RFC 5761), which is taken up where it is offered
    ptime_ms: int = 20  # that the peer asks to be sent
    others: tuple[AudioFormat, ...] = ()
    dtmf_types: frozenset[int] = frozenset()
    protocol: str = "RTP/AVP"


def make_answer(offer: SessionDescription, local: LocalMedia) -> tuple[bytes, Agreed]:
    """Take the first audio section that is spoken here and refuse the others by port 0, in the offer's order.

    Raises NoCommonCodec where nothing fits, SdpError where an address is missing, MediaAddressRefused where media
    cannot be sent to the one that is there.
    """
    agreed: Agreed | None = None
    sections = []
    offered: list[str] = []
    refused: list[MediaAddressRefused] = []
    for media in offer.media:
        found = None if agreed else _choose(media, offer, local, refused)
        plain = " without SRTP" if local.srtp == "required" and media.protocol in PLAIN else ""
        offered += [f"{name}/{clock}{plain}" for name, clock in _formats(media).values() if media.kind == "audio"]
        if found is None:
            sections.append(Media(media.kind, 0, media.protocol, media.formats))
            continue
        agreed = found
        ours = agreed.crypto and replace(agreed.crypto, keys={b"": local.key_of(agreed.crypto.suite)})
        section = _section(
            local, (agreed.format,), agreed.dtmf_payload_type, _direction(agreed), (ours,) if ours else ()
        )
        section.protocol = media.protocol
        if agreed.mux:
            section.attributes.append(("rtcp-mux", ""))
        sections.append(section)
    if agreed is None:
        raise refused[0] if refused else NoCommonCodec(offered, [one.name for one in local.formats])
    return _description(local, sections), agreed


def make_offer(local: LocalMedia) -> bytes:
    """Our own offer: of a call that we make, of a hold, or for an INVITE that came without one.

    Where SRTP is optional it is plain RTP with keys, which an answer may take up or pass over (RFC 8643).
    """
    wanted = local.suites if local.srtp != "off" else ()
    lines = tuple(Crypto(str(tag), suite, {b"": local.key_of(suite)}) for tag, suite in enumerate(wanted, 1))
    section = _section(local, local.formats, local.dtmf_payload_type, local.direction, lines)
    section.protocol = local.protocol or (SECURE[0] if local.srtp == "required" else PLAIN[0])
    return _description(local, [section])


def accept_answer(answer: SessionDescription, local: LocalMedia) -> Agreed:
    """What the peer made of our offer. Raises NoCommonCodec, SdpError, MediaAddressRefused."""
    refused: list[MediaAddressRefused] = []
    for media in answer.media:
        if agreed := _choose(
            media, answer, local, refused
        ):  # keys may have the type that we offered, too (RFC 3264 6.1)
            return replace(agreed, dtmf_types=agreed.dtmf_types | {local.dtmf_payload_type})
    raise refused[0] if refused else NoCommonCodec([], [one.name for one in local.formats])


def _choose(
    media: Media, session: SessionDescription, local: LocalMedia, refused: list[MediaAddressRefused]
) -> Agreed | None:
    if media.kind != "audio" or media.port == 0:
        return None
    crypto = _crypto(media) if media.protocol in PLAIN + SECURE and local.srtp != "off" else None
    if crypto is None and (media.protocol not in PLAIN or local.srtp == "required"):
        return None
    formats = _formats(media)
    ours = {(one.name, one.clock_hz): one for one in local.formats}
    spoken = [replace(ours[row], payload_type=int(number)) for number, row in formats.items() if row in ours]
    if not spoken:
        return None
    first = spoken[0]
    if not (named := media.connection or session.connection):
        raise SdpError("no c= line says where the audio goes")
    try:
        host = address_of(named, local)
    except MediaAddressRefused as error:
        refused.append(error)
        return None
    direction = next((name for name, _ in reversed(media.attributes) if name in DIRECTIONS), None) or next(
        (name for name, _ in reversed(session.attributes) if name in DIRECTIONS), "sendrecv"
    )
    dtmf = [int(number) for number, row in formats.items() if row == (TELEPHONE_EVENT.upper(), first.clock_hz)]
    return Agreed(
        format=first,
        dtmf_payload_type=dtmf[0] if dtmf else None,
        remote=(host, media.port),
        send=direction in ("sendrecv", "recvonly") and host not in UNSPECIFIED,  # how RFC 2543 held a call
        receive=direction in ("sendrecv", "sendonly"),
        crypto=crypto,
        rtcp=_rtcp(media, host, local),
        mux=any(name == "rtcp-mux" for name, _ in media.attributes),
        ptime_ms=_ptime(media),
        others=tuple(spoken[1:]),
        dtmf_types=frozenset(dtmf),
        protocol=media.protocol,
    )


def _rtcp(media: Media, host: str, local: LocalMedia) -> Address | None:
    """`a=rtcp:53020` or `a=rtcp:53020 IN IP4 192.0.2.7`; an address that is none leaves reports to the usual port."""
    for value in media.values("rtcp"):
        port, *rest = value.split() or [""]
        number = decimal(port, 65535)
        if not number:
            continue
        try:
            where = address_of(rest[2], local) if len(rest) == 3 else host
        except MediaAddressRefused:
            continue
        if where not in UNSPECIFIED:
            return where, number
    return None


def _ptime(media: Media) -> int:
    """What is asked for, of 10 to 60 ms, and no more than the longest that is taken; 20 where nothing is said."""
    named = {name: decimal(value.strip(), 1000) for name, value in media.attributes if name in ("ptime", "maxptime")}
    most = min(named.get("ptime") or 20, named.get("maxptime") or PTIMES[-1])
    return max((one for one in PTIMES if one <= most), default=PTIMES[0])


_UNFIT = ("UNENCRYPTED_SRTP", "UNAUTHENTICATED_SRTP", "KDR", "FEC_ORDER", "FEC_KEY")
"""Session parameters of a crypto line that would have to be obeyed (RFC 4568 section 6.3): all but one for RTCP."""


def _crypto(media: Media) -> Crypto | None:
    """The first line with a suite that is spoken here, keys that can be read, and nothing that is not done here."""
    for value in media.values("crypto"):
        tag, _, rest = value.partition(" ")
        suite, _, parameters = rest.strip().partition(" ")
        material, *session = parameters.split()[:8] or [""]
        if suite not in SUITES or any(one.upper().partition("=")[0] in _UNFIT for one in session):
            continue
        if keys := _keys(material):
            return Crypto(tag, suite, keys)
    return None


def _keys(material: str) -> dict[bytes, bytes]:
    """`inline:KEY|2^31|1:4`, several separated by semicolons: keys by identifier; empty for what cannot be read.

    The lifetime (the part with a power, or a number) is longer than any call, so it is only read over. Several keys
    need identifiers of one length (RFC 4568 section 6.1).
    """
    found: dict[bytes, bytes] = {}
    for one in material.split(";"):
        method, _, rest = one.partition(":")
        encoded, *parts = rest.split("|")
        mki = b""
        try:
            key = a2b_base64(encoded)
            for part in parts:
                number, colon, length = part.partition(":")
                if colon and not (number.isascii() and len(number) <= 310):  # 128 bytes
                    return {}
                if colon:
                    mki = int(number).to_bytes(parse_int(length, "the length of an MKI", 128), "big")
                elif not _LIFETIME.fullmatch(part):
                    return {}
        except (ValueError, OverflowError, SipParseError):  # binascii.Error is one; so is text that is not ASCII
            return {}
        if method.lower() != "inline" or len(key) != 30 or len(mki) > 128 or mki in found:
            return {}
        found[mki] = key
    return found if len({len(mki) for mki in found}) == 1 else {}


def _formats(media: Media) -> dict[str, tuple[str, int]]:
    """Payload type to (encoding, clock in Hz), in the order of the m= line."""
    maps = {}
    for value in media.values("rtpmap"):
        number, _, encoding = value.partition(" ")
        name, _, rest = encoding.strip().partition("/")
        clock, _, channels = rest.partition("/")
        hz = decimal(clock.strip(), 192_000)
        if hz and channels.strip() in ("", "1"):
            maps[number] = (name.upper(), hz)
    known = [number for number in media.formats if decimal(number, 127) is not None]
    rows = {number: maps.get(number) or STATIC.get(number) for number in known}
    return {number: row for number, row in rows.items() if row}


def _direction(agreed: Agreed) -> str:
    return {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
        (agreed.send, agreed.receive), "inactive"
    )


def _section(
    local: LocalMedia, formats: tuple[AudioFormat, ...], dtmf: int | None, direction: str, crypto: tuple[Crypto, ...]
) -> Media:
    media = Media("audio", local.port, PLAIN[0], [str(one.payload_type) for one in formats])
    media.attributes = [("rtpmap", f"{one.payload_type} {one.name}/{one.clock_hz}") for one in formats]
    if dtmf is not None:
        media.formats.append(str(dtmf))
        media.attributes += [("rtpmap", f"{dtmf} {TELEPHONE_EVENT}/{formats[0].clock_hz}"), ("fmtp", f"{dtmf} 0-15")]
    media.attributes += [("crypto", line.line()) for line in crypto]
    media.attributes += [("ptime", str(local.ptime_ms)), (direction, "")]
    return media


def _description(local: LocalMedia, media: list[Media]) -> bytes:
    family = "IP6" if ":" in local.host else "IP4"
    origin = f"gateway {local.session_id} {local.version} IN {family} {local.host}"
    return serialize(SessionDescription(origin, local.host, [], media))
