"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from urllib.parse import unquote as percent_decode

from gateway.errors import SipParseError
from gateway.sip.message.grammar import format_host, format_params, parse_host_port, parse_params

_FORBIDDEN = re.compile(r'[\x00-\x20\x7f<>"]')
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")


@dataclass(frozen=True, slots=True)
class Uri:
    """`scheme:user@host:port;params?headers`. For other schemes than sip and sips all after the colon is `user`."""

    scheme: str
    user: str
    host: str = ""
    port: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    headers: str = ""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Raises SipParseError."""
        scheme, colon, rest = text.strip().partition(":")
        if not colon or not _SCHEME.fullmatch(scheme) or _FORBIDDEN.search(rest):
            raise SipParseError(f"not a URI: {text[:60]!r}")
        scheme = scheme.lower()
        if scheme not in ("sip", "sips"):
            if not rest:
                raise SipParseError(f"not a URI: {text[:60]!r}")
            return cls(scheme, rest)
        at = rest.rfind("@")  # a user part may hold ';', '?' and ':' (a password), never a bare '@'
        user, rest = (rest[:at], rest[at + 1 :]) if at >= 0 else ("", rest)
        rest, _, headers = rest.partition("?")
        host_port, *params = rest.split(";")
        host, port = parse_host_port(host_port)
        return cls(scheme, user, host, port, parse_params(params), headers)

    @property
    def number(self) -> str:
        """The user part decoded and without its parameters: what a router matches on."""
        return percent_decode(self.user.partition(";")[0].partition(":")[0])

    @property
    def transport(self) -> str:
        """`udp`, `tcp` or `tls`, as the URI asks for (RFC 3263 section 4.1, without DNS)."""
        if self.scheme == "sips":
            return "tls"
        return self.params.get("transport", "udp").lower()

    @property
    def port_or_default(self) -> int:
        return self.port or (5061 if self.transport == "tls" else 5060)

    @property
    def is_sip(self) -> bool:
        """It can be called: there is a host in it."""
        return self.scheme in ("sip", "sips")

    def without_headers(self) -> Uri:
        """As a Request-URI, where headers may not stand (RFC 3261 section 19.1.1)."""
        return replace(self, headers="")

    def __str__(self) -> str:
        if self.scheme not in ("sip", "sips"):
            return f"{self.scheme}:{self.user}"
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port is not None else ""
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{format_host(self.host)}{port}{format_params(self.params)}{headers}"
