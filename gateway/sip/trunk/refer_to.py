"""Whom a REFER names, as a trunk wants it spelt (RFC 3515): a number as a URI, and headers for the call to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote as percent_encode

from gateway.errors import SipParseError
from gateway.sip.message.grammar import format_host
from gateway.sip.message.uri import Uri
from gateway.sip.trunk.identity import number_user, rewritten
from gateway.sip.trunk.settings import Trunk

_PLACE = re.compile(r"\{([a-z_]+)(:hex)?\}")
VARIABLES = ("call_id", "caller", "called", "summary")
"""What `refer_headers` may hold."""


def check_template(template: str) -> None:
    """Raises ValueError, which says what `refer_to` is like."""
    names = {name for name, _ in _PLACE.findall(template)}
    if template and ("number" not in names or names - {"number", "domain"} or ":hex" in template):
        raise ValueError("refer_to holds {number}, and may hold {domain}: tel:{number} or sip:{number}@{domain}")
    if template:
        try:
            Uri.parse(_filled(template, {"number": "1", "domain": "a.example"}))
        except SipParseError as error:
            raise ValueError(f"refer_to makes no URI: {error.problem}") from error


def check_variables(value: str) -> None:
    """Raises ValueError for a value of `refer_headers` that names what there is not."""
    if unknown := {name for name, _ in _PLACE.findall(value)} - set(VARIABLES):
        raise ValueError(f"refer_headers: there is no {{{min(unknown)}}}; there are {', '.join(VARIABLES)}")


def refer_to(target: str, trunk: Trunk | None, peer: Uri, known: Mapping[str, str] | None = None) -> str:
    """`target`, a number, a tel: or a SIP URI, as the URI of Refer-To. `peer` is who is asked; `known` are VARIABLES.

    A number is a SIP URI at the trunk unless it says otherwise (RFC 3261 section 19.1.6): Asterisk and others refuse
    tel:. Raises SipParseError.
    """
    headers = _headers(trunk, known or {})
    if not target.lower().startswith("tel:"):
        return _with_headers(target, headers)
    number = re.sub(r"[-.() ]", "", target[4:].partition(";")[0])
    if trunk is None:
        return str(_default(number, peer.host, peer.port))
    number = rewritten(number, trunk.numbers.refer_to or trunk.numbers.called, trunk, "whom to call")
    named = trunk.to_domain or trunk.domain
    domain = named or (trunk.server.host if trunk.server else peer.host)
    if not trunk.refer_to:
        port = None if named else trunk.server.port if trunk.server else peer.port
        return _with_headers(str(_default(number, domain, port)), headers)
    return _with_headers(
        _filled(trunk.refer_to, {"number": number_user(number), "domain": format_host(domain)}), headers
    )


def _default(number: str, domain: str, port: int | None) -> Uri:
    return Uri("sip", number_user(number), domain, port, {"user": "phone"})


def _headers(trunk: Trunk | None, known: Mapping[str, str]) -> str:
    given = trunk.refer_headers if trunk else ()
    pairs = [(name, _filled(value, known)) for name, value in given]
    return "&".join(
        f"{percent_encode(name, safe='')}={percent_encode(value, safe='')}" for name, value in pairs if value
    )


def _with_headers(target: str, headers: str) -> str:
    """Where a SIP URI may hold headers (RFC 3261 section 19.1.1); its own stay."""
    if not headers or not target.lower().startswith(("sip:", "sips:")):
        return target
    uri = Uri.parse(target)
    return str(replace(uri, headers="&".join(filter(None, (uri.headers, headers)))))


def _filled(template: str, known: Mapping[str, str]) -> str:
    def found(place: re.Match[str]) -> str:
        value = known.get(place[1], "")
        return value.encode().hex() if place[2] else value

    return _PLACE.sub(found, template)
