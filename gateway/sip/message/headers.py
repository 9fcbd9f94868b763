"""Header values with structure: Via, name-addr (From, To, Contact, Route, Refer-To ...), CSeq (RFC 3261 section 20)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.errors import SipParseError
from gateway.sip.message.grammar import (
    TOKEN,
    format_host,
    format_params,
    parse_host_port,
    parse_int,
    parse_params,
    quote,
    split_outside,
    unquote,
)
from gateway.sip.message.uri import Uri

COMPACT = {
    "i": "Call-ID",
    "m": "Contact",
    "e": "Content-Encoding",
    "l": "Content-Length",
    "c": "Content-Type",
    "f": "From",
    "s": "Subject",
    "k": "Supported",
    "t": "To",
    "v": "Via",
    "o": "Event",
    "r": "Refer-To",
    "b": "Referred-By",
    "x": "Session-Expires",
    "u": "Allow-Events",
    "j": "Reject-Contact",
    "a": "Accept-Contact",
    "d": "Request-Disposition",
    "y": "Identity",
    "n": "Identity-Info",
}
"""One-letter names (RFC 3261 section 7.3.3 and the IANA registry)."""

LISTS = frozenset(
    {"via", "contact", "route", "record-route", "allow", "supported", "require", "proxy-require", "accept", "path"}
)
"""Headers whose several values may share a line, separated by commas."""


@dataclass(frozen=True, slots=True)
class NameAddr:
    """`"Display" <uri>;params` or a bare `uri;params`, where the parameters belong to the header (section 20.10)."""

    uri: Uri
    display: str = ""
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Raises SipParseError."""
        text = text.strip()
        pieces = split_outside(text, ";")
        head = pieces[0]
        if ((left := head.find("<")) >= 0 and not head.startswith('"')) or head.startswith('"'):
            left = head.rfind("<") if head.startswith('"') else left
            right = head.find(">", left)
            if left < 0 or right < 0 or head[right + 1 :].strip():
                raise SipParseError(f"not an address: {text[:60]!r}")
            return cls(Uri.parse(head[left + 1 : right]), unquote(head[:left].strip()), parse_params(pieces[1:]))
        return cls(Uri.parse(head), "", parse_params(pieces[1:]))

    @property
    def tag(self) -> str:
        return self.params.get("tag", "")

    def with_tag(self, tag: str) -> NameAddr:
        return replace(self, params={**self.params, "tag": tag})

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{format_params(self.params)}"


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a request's way (section 20.42). `transport` is upper case, as on the wire."""

    transport: str
    host: str
    port: int | None = None
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Via:
        """Raises SipParseError."""
        head, *params = split_outside(text, ";")
        protocol, _, sent_by = " ".join(head.split()).partition(" ") if "/ " not in head else _loose_protocol(head)
        name, _, rest = protocol.partition("/")
        version, _, transport = rest.partition("/")
        if name.strip().upper() != "SIP" or version.strip() != "2.0" or not TOKEN.fullmatch(transport.strip()):
            raise SipParseError(f"not a Via: {text[:60]!r}")
        host, port = parse_host_port(sent_by.strip())
        return cls(transport.strip().upper(), host, port, parse_params(params))

    @property
    def branch(self) -> str:
        return self.params.get("branch", "")

    @property
    def sent_by(self) -> str:
        return f"{format_host(self.host)}:{self.port}" if self.port else format_host(self.host)

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{format_params(self.params)}"


def _loose_protocol(head: str) -> tuple[str, str, str]:
    """`SIP / 2.0 / UDP host`: white space around the slashes is legal."""
    tight = "/".join(part.strip() for part in head.split("/"))
    return tight.partition(" ")


@dataclass(frozen=True, slots=True)
class CSeq:
    """Sequence number, below 2**31, and method (section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises SipParseError."""
        number, _, method = " ".join(text.split()).partition(" ")
        if not TOKEN.fullmatch(method):
            raise SipParseError(f"not a CSeq: {text[:60]!r}")
        return cls(parse_int(number, "CSeq", 2**31 - 1), method)

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
