"""Offer and answer for one audio stream (RFC 3264): what both sides speak, and where the media goes."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass, replace

from gateway.errors import NoCommonCodec, SdpError
from gateway.sip.flow import Address
from gateway.sip.sdp import Media, SessionDescription, serialize

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
    """A line of SDES (RFC 4568): `key` is the master key with its salt, 30 bytes, of the side that wrote it."""

    tag: str
    suite: str
    key: bytes

    def line(self) -> str:
        return f"{self.tag} {self.suite} inline:{b2a_base64(self.key, newline=False).decode()}"


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end of the stream. `formats` in order of preference; telephone-event (RFC 4733) is offered besides.

    `srtp` is off, optional or required; `srtp_key` is ours, 30 bytes.
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


@dataclass(frozen=True, slots=True)
class Agreed:
    """What came of offer and answer. `send` and `receive` are from our side: held by the peer is `send=False`."""

    format: AudioFormat
    dtmf_payload_type: int | None
    remote: Address
    send: bool
    receive: bool
    crypto: Crypto | None = None  # the peer's, where the media is encrypted
    rtcp: Address | None = None  # where its reports are wanted, if not on the port above (RFC 3605)
    mux: bool = False  # RTCP by the port of RTP (RFC 5761), which is taken up where it is offered
    ptime_ms: int = 20  # that the peer asks to be sent


def make_answer(offer: SessionDescription, local: LocalMedia) -> tuple[bytes, Agreed]:
    """Take the first audio section that is spoken here and refuse the others by port 0, in the offer's order.

    Raises NoCommonCodec where nothing fits, SdpError where an address is missing.
    """
    agreed: Agreed | None = None
    sections = []
    offered: list[str] = []
    for media in offer.media:
        found = None if agreed else _choose(media, offer, local)
        plain = " without SRTP" if local.srtp == "required" and media.protocol in PLAIN else ""
        offered += [f"{name}/{clock}{plain}" for name, clock in _formats(media).values() if media.kind == "audio"]
        if found is None:
            sections.append(Media(media.kind, 0, media.protocol, media.formats))
            continue
        agreed = found
        ours = replace(agreed.crypto, key=local.srtp_key) if agreed.crypto else None
        section = _section(local, (agreed.format,), agreed.dtmf_payload_type, _direction(agreed), ours)
        section.protocol = media.protocol
        if agreed.mux:
            section.attributes.append(("rtcp-mux", ""))
        sections.append(section)
    if agreed is None:
        raise NoCommonCodec(offered, [one.name for one in local.formats])
    return _description(local, sections), agreed


def make_offer(local: LocalMedia) -> bytes:
    """Our own offer: of a call that we make, of a hold, or for an INVITE that came without one."""
    crypto = Crypto("1", SUITES[0], local.srtp_key) if local.srtp == "required" else None
    return _description(local, [_section(local, local.formats, local.dtmf_payload_type, local.direction, crypto)])


def accept_answer(answer: SessionDescription, local: LocalMedia) -> Agreed:
    """What the peer made of our offer. Raises NoCommonCodec, SdpError."""
    for media in answer.media:
        if agreed := _choose(media, answer, local):
            return agreed
    raise NoCommonCodec([], [one.name for one in local.formats])


def _choose(media: Media, session: SessionDescription, local: LocalMedia) -> Agreed | None:
    if media.kind != "audio" or media.port == 0:
        return None
    crypto = _crypto(media) if media.protocol in SECURE and local.srtp != "off" else None
    if crypto is None and (media.protocol not in PLAIN or local.srtp == "required"):
        return None
    formats = _formats(media)
    ours = {(one.name, one.clock_hz): one for one in local.formats}
    for payload_type, spoken in formats.items():
        if spoken not in ours:
            continue
        host = media.connection or session.connection
        if not host:
            raise SdpError("no c= line says where the audio goes")
        direction = next((name for name, _ in reversed(media.attributes) if name in DIRECTIONS), None) or next(
            (name for name, _ in reversed(session.attributes) if name in DIRECTIONS), "sendrecv"
        )
        on_hold = host in ("0.0.0.0", "::")  # how RFC 2543 held a call
        return Agreed(
            format=replace(ours[spoken], payload_type=int(payload_type)),
            dtmf_payload_type=next(
                (int(number) for number, row in formats.items() if row == (TELEPHONE_EVENT.upper(), spoken[1])), None
            ),
            remote=(host, media.port),
            send=direction in ("sendrecv", "recvonly") and not on_hold,
            receive=direction in ("sendrecv", "sendonly"),
            crypto=crypto,
            rtcp=_rtcp(media, host),
            mux=any(name == "rtcp-mux" for name, _ in media.attributes),
            ptime_ms=_ptime(media),
        )
    return None


def _rtcp(media: Media, host: str) -> Address | None:
    """`a=rtcp:53020` or `a=rtcp:53020 IN IP4 192.0.2.7`."""
    for value in media.values("rtcp"):
        port, *rest = value.split()
        if port.isdigit() and 0 < int(port) < 65536:
            return (rest[2] if len(rest) == 3 else host), int(port)
    return None


def _ptime(media: Media) -> int:
    """What is asked for, of 10 to 60 ms, and no more than the longest that is taken; 20 where nothing is said."""
    named = {name: int(value) for name, value in media.attributes if name in ("ptime", "maxptime") and value.isdigit()}
    most = min(named.get("ptime") or 20, named.get("maxptime") or PTIMES[-1])
    return max((one for one in PTIMES if one <= most), default=PTIMES[0])


def _crypto(media: Media) -> Crypto | None:
    """The first line with a suite that is spoken here and a key without an MKI."""
    for value in media.values("crypto"):
        tag, _, rest = value.partition(" ")
        suite, _, parameters = rest.strip().partition(" ")
        method, _, material = parameters.partition(" ")[0].partition(":")
        key, *rest_of_key = material.split("|")
        if suite not in SUITES or method != "inline" or any(":" in one for one in rest_of_key):
            continue
        try:
            decoded = a2b_base64(key)
        except ValueError:  # binascii.Error is one; so is text that is not ASCII
            continue
        if len(decoded) == 30:
            return Crypto(tag, suite, decoded)
    return None


def _formats(media: Media) -> dict[str, tuple[str, int]]:
    """Payload type to (encoding, clock in Hz), in the order of the m= line."""
    maps = {}
    for value in media.values("rtpmap"):
        number, _, encoding = value.partition(" ")
        name, _, rest = encoding.strip().partition("/")
        clock, _, channels = rest.partition("/")
        if clock.isdigit() and channels in ("", "1"):
            maps[number] = (name.upper(), int(clock))
    rows = {number: maps.get(number) or STATIC.get(number) for number in media.formats if number.isdigit()}
    return {number: row for number, row in rows.items() if row and int(number) < 128}


def _direction(agreed: Agreed) -> str:
    return {(True, True): "sendrecv", (True, False): "sendonly", (False, True): "recvonly"}.get(
        (agreed.send, agreed.receive), "inactive"
    )


def _section(
    local: LocalMedia, formats: tuple[AudioFormat, ...], dtmf: int | None, direction: str, crypto: Crypto | None
) -> Media:
    protocol = SECURE[0] if crypto else PLAIN[0]
    media = Media("audio", local.port, protocol, [str(one.payload_type) for one in formats])
    media.attributes = [("rtpmap", f"{one.payload_type} {one.name}/{one.clock_hz}") for one in formats]
    if dtmf is not None:
        media.formats.append(str(dtmf))
        media.attributes += [("rtpmap", f"{dtmf} {TELEPHONE_EVENT}/{formats[0].clock_hz}"), ("fmtp", f"{dtmf} 0-15")]
    if crypto:
        media.attributes.append(("crypto", crypto.line()))
    media.attributes += [("ptime", str(local.ptime_ms)), (direction, "")]
    return media


def _description(local: LocalMedia, media: list[Media]) -> bytes:
    family = "IP6" if ":" in local.host else "IP4"
    origin = f"gateway {local.session_id} {local.version} IN {family} {local.host}"
    return serialize(SessionDescription(origin, local.host, [], media))
