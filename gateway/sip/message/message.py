"""SIP messages: bytes to objects and back (RFC 3261 sections 7 and 20; compact forms 7.3.3; folding 7.3.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.errors import SipParseError
from gateway.sip.message.grammar import TOKEN, parse_int, parse_params, split_outside, unquote
from gateway.sip.message.headers import COMPACT, LISTS, CSeq, NameAddr, Via
from gateway.sip.message.uri import Uri

MAX_HEADERS = 256
MAX_MESSAGE = 65535  # bytes, head and body

_WELL_KNOWN = {
    name.lower(): name
    for name in (  # noqa: SIM905
        "Via From To Call-ID CSeq Max-Forwards Contact Content-Type Content-Length Record-Route Route Allow Supported "
        "Require Unsupported Refer-To Referred-By Event Subscription-State Expires Retry-After Reason Warning Server "
        "User-Agent Accept Session-Expires Min-SE P-Asserted-Identity Diversion Replaces"
    ).split()
}

REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    407: "Proxy Authentication Required", 408: "Request Timeout",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
    422: "Session Interval Too Small", 423: "Interval Too Brief",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
    491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable",
    504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large", 600: "Busy Everywhere",
    603: "Decline",
}  # fmt: skip
"""Default phrases (RFC 3261 section 21)."""


class Headers:
    """Header fields in their order. Names are matched without case, compact forms are expanded."""

    __slots__ = ("_items",)

    def __init__(self, items: list[tuple[str, str]] | None = None) -> None:
        self._items = list(items or [])

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def get(self, name: str) -> str | None:
        """The first value, or None."""
        wanted = name.lower()
        return next((value for key, value in self._items if key.lower() == wanted), None)

    def all(self, name: str) -> list[str]:
        """Every value in order; comma-separated ones taken apart where the header is a list."""
        wanted = name.lower()
        values = [value for key, value in self._items if key.lower() == wanted]
        if wanted in LISTS:
            return [piece for value in values for piece in split_outside(value, ",") if piece]
        return values

    def add(self, name: str, value: object) -> None:
        self._items.append((name, str(value)))

    def set(self, name: str, value: object) -> None:
        """Replace all values by one, at the place of the first."""
        wanted = name.lower()
        place = next((i for i, (key, _) in enumerate(self._items) if key.lower() == wanted), len(self._items))
        self.remove(name)
        self._items.insert(place, (name, str(value)))

    def set_first(self, name: str, value: object) -> None:
        """Replace the first value only (the topmost Via), leaving the others on lines of their own."""
        values = [str(value), *self.all(name)[1:]]
        wanted = name.lower()
        place = next((i for i, (key, _) in enumerate(self._items) if key.lower() == wanted), len(self._items))
        self.remove(name)
        self._items[place:place] = [(name, one) for one in values]

    def remove(self, name: str) -> None:
        wanted = name.lower()
        self._items = [(key, value) for key, value in self._items if key.lower() != wanted]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body: its type in lower case, and whether it has to be understood."""

    kind: str
    content: bytes
    required: bool


_UNDERSTOOD = ("application/sdp",)
MAX_DEPTH = 3
"""Of multiparts within multiparts."""


def _is_required(disposition: str, kind: str) -> bool:
    """RFC 5621 section 8.2: handling is required unless it says otherwise; of a description of the session, always."""
    handling = parse_params(disposition.split(";")[1:]).get("handling", "required")
    return kind == "application/sdp" or unquote(handling).strip().lower() != "optional"


def _parts_of(content_type: str, body: bytes, depth: int, alternatives: bool) -> Iterator[Part]:
    boundary = unquote(parse_params(split_outside(content_type, ";")[1:]).get("boundary", ""))
    if not boundary or depth >= MAX_DEPTH:
        return
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary.encode())[1:]:
        if piece.startswith(b"--"):  # the last one ends the body
            return
        head, _, content = piece.partition(b"\r\n\r\n")
        try:
            headers = _parse_headers([line for line in head.decode("latin-1").split("\r\n")[1:] if line])
        except SipParseError:
            continue
        kind = (headers.get("Content-Type") or "text/plain").partition(";")[0].strip().lower()
        if kind.startswith("multipart/"):
            within = kind == "multipart/alternative"
            yield from _parts_of(headers.get("Content-Type") or "", content, depth + 1, alternatives or within)
        else:
            explicit = "handling" in (headers.get("Content-Disposition") or "").lower()
            required = explicit and _is_required(headers.get("Content-Disposition") or "", kind)
            yield Part(kind, content, required and not alternatives)


@dataclass(slots=True)
class Message:
    """What requests and responses share. Accessors raise SipParseError where the header is missing or malformed."""

    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def need(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise SipParseError(f"{name} is missing")
        return value

    @property
    def via(self) -> Via:
        """The topmost."""
        values = self.headers.all("Via")
        if not values:
            raise SipParseError("Via is missing")
        return Via.parse(values[0])

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self.need("From"))

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self.need("To"))

    @property
    def call_id(self) -> str:
        return self.need("Call-ID")

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self.need("CSeq"))

    @property
    def contact(self) -> NameAddr | None:
        values = self.headers.all("Contact")
        return NameAddr.parse(values[0]) if values and values[0] != "*" else None

    @property
    def content_type(self) -> str:
        """Lower case and without parameters; empty where there is none."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    @property
    def sdp(self) -> bytes:
        """The session description, also from within a multipart body (RFC 5621); empty where there is none."""
        kind = self.content_type
        if not self.body or kind in ("application/sdp", ""):
            return self.body
        return next((part.content for part in self.parts() if part.kind == "application/sdp"), b"")

    @property
    def may_be_ignored(self) -> bool:
        """The body is optional by its own word (Content-Disposition with handling=optional, RFC 3204 section 6.2)."""
        return not _is_required(self.headers.get("Content-Disposition") or "", self.content_type)

    @property
    def unknown_required_part(self) -> bool:
        """A part that has to be understood is none that is (RFC 5621 section 7)."""
        return any(part.required and part.kind not in _UNDERSTOOD for part in self.parts())

    def parts(self) -> list[Part]:
        """Of a multipart body, with those of multiparts within it; none of another."""
        kind = self.content_type
        if not kind.startswith("multipart/"):
            return []
        return list(_parts_of(self.headers.get("Content-Type") or "", self.body, 0, kind == "multipart/alternative"))

    def _serialize(self, start: str) -> bytes:
        lines = [start, *(f"{name}: {value}" for name, value in self.headers if name.lower() != "content-length")]
        lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


@dataclass(slots=True)
class Request(Message):
    """RFC 3261 section 7.1."""

    method: str = ""
    uri: Uri = field(default_factory=lambda: Uri("sip", "", "invalid"))

    def serialize(self) -> bytes:
        return self._serialize(f"{self.method} {self.uri} SIP/2.0")

    def respond(self, status: int, reason: str = "", *, to_tag: str = "") -> Response:
        """A response with the headers that section 8.2.6.2 copies."""
        response = Response(status=status, reason=reason or REASONS.get(status, "Unknown"))
        for name, value in self.headers:
            if name.lower() in ("via", "from", "call-id", "cseq"):
                response.headers.add(name, value)
            elif name.lower() == "to":
                response.headers.add(name, self._tagged(value, to_tag) if to_tag and status > 100 else value)
            elif name.lower() == "timestamp" and status == 100:
                response.headers.add(name, value)
        return response

    def _tagged(self, value: str, tag: str) -> str:
        """The To header with our tag, where it has none; one that cannot be read gets it at its end."""
        try:
            return value if self.to.tag else str(self.to.with_tag(tag))
        except SipParseError:
            return f"{value};tag={tag}"


@dataclass(slots=True)
class Response(Message):
    """RFC 3261 section 7.2."""

    status: int = 0
    reason: str = ""

    def serialize(self) -> bytes:
        return self._serialize(f"SIP/2.0 {self.status} {self.reason}")


_REQUEST_LINE = re.compile(r"(\S+) (\S.*) SIP/(\d+\.\d+)", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 (\d{3})(?: (.*))?", re.IGNORECASE)


def parse(data: bytes) -> Request | Response:
    """Read one whole message as a datagram or a framed stream holds it.

    A body longer than Content-Length is cut, one that is shorter is an error (section 18.3). Raises SipParseError.
    """
    if len(data) > MAX_MESSAGE:
        raise SipParseError(f"longer than {MAX_MESSAGE} bytes", 513)
    head, separator, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not separator:
        raise SipParseError("no empty line after the headers")
    message = parse_head(head)
    length = message.headers.get("Content-Length")
    if length is not None:
        wanted = parse_int(length, "Content-Length", MAX_MESSAGE)
        if wanted > len(body):
            raise SipParseError(f"Content-Length is {wanted}, but the body has {len(body)} bytes")
        body = body[:wanted]
    message.body = body
    return message


def parse_head(head: bytes) -> Request | Response:
    """Start line and headers, without checking which are there. Raises SipParseError."""
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        lines = head.decode("latin-1").split("\r\n")
    if "\0" in lines[0]:
        raise SipParseError("NUL in the start line")
    start, headers = lines[0], _parse_headers(lines[1:])
    if status_line := _STATUS_LINE.fullmatch(start):
        return Response(headers, status=int(status_line[1]), reason=status_line[2] or "")
    request_line = _REQUEST_LINE.fullmatch(start)
    if not request_line:
        raise SipParseError(f"not a start line: {start[:60]!r}")
    method, uri, version = request_line.groups()
    if not TOKEN.fullmatch(method):
        raise SipParseError(f"not a method: {method[:40]!r}")
    if version != "2.0":
        raise SipParseError(f"SIP version {version}", 505)
    return Request(headers, method=method, uri=Uri.parse(uri).without_headers())


def _parse_headers(lines: list[str]) -> Headers:
    items: list[tuple[str, str]] = []
    for line in lines:
        if len(items) > MAX_HEADERS:
            raise SipParseError(f"more than {MAX_HEADERS} headers", 513)
        if line[:1] in (" ", "\t"):
            if not items:
                raise SipParseError("a folded line before the first header")
            name, value = items[-1]
            items[-1] = (name, f"{value} {line.strip()}".strip())
            continue
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not TOKEN.fullmatch(name):
            raise SipParseError(f"not a header: {line[:60]!r}")
        name = COMPACT.get(name.lower()) or _WELL_KNOWN.get(name.lower()) or name
        items.append((name, value.strip()))
    return Headers(items)


def check(message: Request | Response) -> None:
    """The headers without which a message can be neither matched nor answered (section 8.1.1). Raises SipParseError."""
    cseq = message.cseq
    _ = message.via, message.from_, message.to, message.call_id
    if isinstance(message, Request) and cseq.method != message.method:
        raise SipParseError(f"CSeq says {cseq.method}, the request is {message.method}")
    for name in ("Call-ID", "CSeq", "From", "To", "Content-Length"):
        if len(message.headers.all(name)) > 1:
            raise SipParseError(f"{name} stands there more than once")
