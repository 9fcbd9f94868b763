"""Offer and answer for one audio stream (RFC 3264): what both sides speak, and where the media goes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.errors import NoCommonCodec, SdpError
from gateway.sip.flow import Address
from gateway.sip.sdp import Media, SessionDescription, serialize

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
TELEPHONE_EVENT = "telephone-event"

STATIC = {"0": ("PCMU", 8000), "8": ("PCMA", 8000)}
"""Payload types that need no rtpmap (RFC 3551 table 4)."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A row of the codec table as SDP spells it: encoding name, RTP clock in Hz, payload type."""

    name: str
    clock_hz: int
    payload_type: int


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """Our end of the stream. `formats` in order of preference; telephone-event (RFC 4733) is offered besides."""

    host: str
    port: int
    formats: tuple[AudioFormat, ...]
    session_id: int
    version: int = 1
    ptime_ms: int = 20
    dtmf_payload_type: int = 101


@dataclass(frozen=True, slots=True)
class Agreed:
    """What came of offer and answer. `send` and `receive` are from our side: held by the peer is `send=False`."""

    format: AudioFormat
    dtmf_payload_type: int | None
    remote: Address
    send: bool
    receive: bool


def make_answer(offer: SessionDescription, local: LocalMedia) -> tuple[bytes, Agreed]:
    """Take the first audio section that is spoken here and refuse the others by port 0, in the offer's order.

    Raises NoCommonCodec where nothing fits, SdpError where an address is missing.
    """
    agreed: Agreed | None = None
    sections = []
    offered: list[str] = []
    for media in offer.media:
        found = None if agreed else _choose(media, offer, local)
        offered += [f"{name}/{clock}" for name, clock in _formats(media).values() if media.kind == "audio"]
        if found is None:
            sections.append(Media(media.kind, 0, media.protocol, media.formats))
            continue
        agreed = found
        sections.append(_section(local, (agreed.format,), agreed.dtmf_payload_type, _direction(agreed)))
    if agreed is None:
        raise NoCommonCodec(offered, [one.name for one in local.formats])
    return _description(local, sections), agreed


def make_offer(local: LocalMedia) -> bytes:
    """Our own offer, for an INVITE that came without one."""
    return _description(local, [_section(local, local.formats, local.dtmf_payload_type, "sendrecv")])


def accept_answer(answer: SessionDescription, local: LocalMedia) -> Agreed:
    """What the peer made of our offer. Raises NoCommonCodec, SdpError."""
    for media in answer.media:
        if agreed := _choose(media, answer, local):
            return agreed
    raise NoCommonCodec([], [one.name for one in local.formats])


def _choose(media: Media, session: SessionDescription, local: LocalMedia) -> Agreed | None:
    if media.kind != "audio" or media.port == 0 or media.protocol not in ("RTP/AVP", "RTP/AVPF"):
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
        )
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


def _section(local: LocalMedia, formats: tuple[AudioFormat, ...], dtmf: int | None, direction: str) -> Media:
    media = Media("audio", local.port, "RTP/AVP", [str(one.payload_type) for one in formats])
    media.attributes = [("rtpmap", f"{one.payload_type} {one.name}/{one.clock_hz}") for one in formats]
    if dtmf is not None:
        media.formats.append(str(dtmf))
        media.attributes += [("rtpmap", f"{dtmf} {TELEPHONE_EVENT}/{formats[0].clock_hz}"), ("fmtp", f"{dtmf} 0-15")]
    media.attributes += [("ptime", str(local.ptime_ms)), (direction, "")]
    return media


def _description(local: LocalMedia, media: list[Media]) -> bytes:
    family = "IP6" if ":" in local.host else "IP4"
    origin = f"gateway {local.session_id} {local.version} IN {family} {local.host}"
    return serialize(SessionDescription(origin, local.host, [], media))
