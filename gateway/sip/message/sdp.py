"""Session descriptions: bytes to objects and back (RFC 8866)."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import SdpError
from gateway.sip.message.grammar import decimal

MAX_LINES = 1000


@dataclass(slots=True)
class Media:
    """One m= section. `connection` is the address of its own c= line, if it has one."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    connection: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@dataclass(slots=True)
class SessionDescription:
    """`origin` is the o= line's value; `connection` the session's c= address."""

    origin: str = ""
    connection: str = ""
    attributes: list[tuple[str, str]] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)


def parse(body: bytes) -> SessionDescription:
    """Lines that mean nothing here are passed over; unknown attributes are kept. Raises SdpError."""
    text = body.decode("utf-8", "replace").replace("\r\n", "\n").strip("\n\0")
    lines = text.split("\n")
    if not text or lines[0].strip() != "v=0":
        raise SdpError("it does not begin with v=0")
    if len(lines) > MAX_LINES:
        raise SdpError(f"more than {MAX_LINES} lines")
    session = SessionDescription()
    for line in lines[1:]:
        kind, equals, value = line.strip().partition("=")
        if not kind and not equals:
            continue
        if len(kind) != 1 or not equals:
            raise SdpError(f"not a line: {line[:60]!r}")
        place = session.media[-1] if session.media else session
        match kind:
            case "o":
                session.origin = value
            case "c":
                place.connection = _parse_connection(value)
            case "a":
                name, _, attribute = value.partition(":")
                place.attributes.append((name.strip(), attribute.strip()))
            case "m":
                session.media.append(_parse_media(value))
    return session


def _parse_connection(value: str) -> str:
    parts = value.split()
    if len(parts) != 3 or parts[0] != "IN" or parts[1] not in ("IP4", "IP6"):
        raise SdpError(f"not a connection: {value[:60]!r}")
    return parts[2].partition("/")[0]


def _parse_media(value: str) -> Media:
    parts = value.split()
    if len(parts) < 4:
        raise SdpError(f"not a media line: {value[:60]!r}")
    port = decimal(parts[1].partition("/")[0], 65535)
    if port is None:
        raise SdpError(f"not a media port: {parts[1][:20]!r}")
    return Media(parts[0].lower(), port, parts[2].upper(), parts[3:])


def serialize(session: SessionDescription) -> bytes:
    family = "IP6" if ":" in session.connection else "IP4"
    lines = ["v=0", f"o={session.origin}", "s=-", f"c=IN {family} {session.connection}", "t=0 0"]
    lines += [_attribute(*pair) for pair in session.attributes]
    for media in session.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        lines += [_attribute(*pair) for pair in media.attributes]
    return ("\r\n".join(lines) + "\r\n").encode()


def _attribute(name: str, value: str) -> str:
    return f"a={name}:{value}" if value else f"a={name}"
