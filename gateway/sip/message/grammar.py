"""The pieces of SIP's grammar that headers share: tokens, quoted strings, lists, parameters (RFC 3261 section 25)."""

from __future__ import annotations

import re

from gateway.errors import SipParseError

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_QUOTED_PAIR = re.compile(r"\\(.)")


def split_outside(text: str, separator: str) -> list[str]:
    """Split at `separator` where it stands outside of quotes and angle brackets; pieces are stripped.

    Raises SipParseError for a quote that is not closed.
    """
    if separator not in text and '"' not in text:
        return [text.strip()]
    pieces, start, quoted, depth, i = [], 0, False, 0, 0
    while i < len(text):
        char = text[i]
        if quoted:
            if char == "\\":
                i += 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char == "<":
            depth += 1
        elif char == ">":
            depth = max(0, depth - 1)
        elif char == separator and not depth:
            pieces.append(text[start:i].strip())
            start = i + 1
        i += 1
    if quoted:
        raise SipParseError(f"quoted string is not closed: {text[:60]!r}")
    pieces.append(text[start:].strip())
    return pieces


def unquote(text: str) -> str:
    """`"a \\"b\\""` becomes `a "b"`; text without quotes is returned as it is."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _QUOTED_PAIR.sub(r"\1", text[1:-1])
    return text


def quote(text: str) -> str:
    """The reverse of `unquote`. Control characters become spaces: a line end would start another header."""
    clean = "".join(one if one >= " " and one != "\x7f" else " " for one in text)
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse_params(pieces: list[str]) -> dict[str, str]:
    """`["lr", "tag=x"]` becomes `{"lr": "", "tag": "x"}`; names are lower-cased, quoted values kept quoted."""
    params = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        if name := name.strip().lower():
            params[name] = value.strip()
    return params


def format_params(params: dict[str, str]) -> str:
    return "".join(f";{name}={value}" if value else f";{name}" for name, value in params.items())


def decimal(text: str, highest: int) -> int | None:
    """A decimal number from 0 to `highest`; None for what is none (digits of other scripts, or thousands)."""
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or int(text) > highest:
        return None
    return int(text)


def parse_int(text: str, what: str, highest: int) -> int:
    """A decimal number from 0 to `highest`. Raises SipParseError."""
    number = decimal(text.strip(), highest)
    if number is None:
        raise SipParseError(f"{what} is not a number from 0 to {highest}: {text.strip()[:20]!r}")
    return number


def parse_host_port(text: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `[::1]:port`. The host comes back without brackets. Raises SipParseError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise SipParseError(f"IPv6 address is not closed: {text[:60]!r}")
        port_text = rest[1:]
    else:
        host, _, port_text = text.partition(":")
    host, port_text = host.strip(), port_text.strip()
    if not host or any(char in host for char in ' \t"<>@;,'):
        raise SipParseError(f"not a host: {text[:60]!r}")
    if not port_text:
        return host, None
    return host, parse_int(port_text, "port", 65535)


def format_host(host: str) -> str:
    """An IPv6 address gets its brackets."""
    return f"[{host}]" if ":" in host else host
