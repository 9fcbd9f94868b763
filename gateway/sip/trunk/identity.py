"""Who calls and who is called, as a trunk spells it: From, P-Asserted-Identity and the like, read and written.

RFC 3261 (From, To), RFC 3323 (Privacy), RFC 3325 (P-Asserted-Identity, P-Preferred-Identity), RFC 5806 (Diversion),
RFC 7044 (History-Info), RFC 7315 (P-Called-Party-ID); Remote-Party-ID is draft-ietf-sip-privacy-04.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from urllib.parse import quote as percent_encode

from gateway.errors import SipParseError
from gateway.sip.message.grammar import split_outside
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.message import Request
from gateway.sip.message.uri import Uri
from gateway.sip.trunk.numbers import NUMBER, NoRule, NumberRules
from gateway.sip.trunk.settings import Trunk

ANONYMOUS = NameAddr(Uri("sip", "anonymous", "anonymous.invalid"), "Anonymous")
"""Who does not want to be known (RFC 3323 section 4.1.1.3)."""

ASSERTIONS = {
    "p_asserted_identity": "P-Asserted-Identity",
    "p_preferred_identity": "P-Preferred-Identity",
    "remote_party_id": "Remote-Party-ID",
}

CALLED_IN = {
    "to": "To",
    "p_called_party_id": "P-Called-Party-ID",
    "diversion": "Diversion",
    "history_info": "History-Info",
}

_USER = re.compile(r"[^\s@<>\"\r\n]+")


def number_user(number: str) -> str:
    """As the user part of a URI (RFC 3261 section 25.1)."""
    return percent_encode(number, safe="+*-_.!~'()&=$,;?/")


def rewritten(number: str, rules: NumberRules, trunk: Trunk, what: str) -> str:
    """Raises SipParseError, which names the number, the trunk and the rules."""
    try:
        return rules.apply(number)
    except NoRule as error:
        raise SipParseError(f"the trunk {trunk.name} cannot be told {what}: {error}") from error


def uri_of(number: str, host: str, trunk: Trunk, scheme: str = "sip") -> Uri:
    """A number, or a name, at the trunk."""
    params = {"user": "phone"} if trunk.user_phone and NUMBER.fullmatch(number) else {}
    return Uri(scheme, number_user(number), host, None, params)


@dataclass(frozen=True, slots=True)
class CallerId:
    """`number` is a number, a name, or empty for nobody in particular; `uri` is set where it is a whole SIP URI."""

    number: str
    display: str = ""
    uri: Uri | None = None

    @classmethod
    def parse(cls, text: str) -> CallerId:
        """`+15550100`, `Acme <+15550100>`, `"Acme" <sip:sales@acme.example>`. Raises SipParseError."""
        text = text.strip()
        display, _, number = text.removesuffix(">").rpartition("<") if text.endswith(">") else ("", "", text)
        display, number = display.strip().strip('"'), number.strip()  # a display name may hold anything
        if number.lower().startswith(("sip:", "sips:")):
            uri = Uri.parse(number)
            return cls(uri.number, display, uri)
        if number and not _USER.fullmatch(number):
            raise SipParseError(f"not a caller ID: {text[:60]!r}")
        return cls(number, display)


def sent(
    trunk: Trunk, caller_id: str, anonymous: bool, host: str, diverted: str = "", target: Uri | None = None
) -> tuple[NameAddr, list[tuple[str, str]]]:
    """From, without its tag, and the headers that tell who is calling. `host` is ours, for a trunk that has no domain.

    `diverted` is the number that was called first, of a call to `target` for somebody whom we transfer. Raises
    SipParseError.
    """
    caller, domain = CallerId.parse(caller_id or trunk.caller_id), trunk.from_host or host
    account = NameAddr(Uri("sip", number_user(trunk.user or "gateway"), domain))
    shown = asserted = account
    identity_rules = trunk.numbers.identity or trunk.numbers.caller
    number = caller.number
    if caller.uri:
        shown = asserted = NameAddr(caller.uri, caller.display)
    elif number:
        own = rewritten(number, trunk.numbers.caller, trunk, "our number")
        shown = NameAddr(uri_of(own, domain, trunk), caller.display)
        number = rewritten(number, identity_rules, trunk, "our number")
        asserted = NameAddr(uri_of(number, domain, trunk), caller.display)
    from_ = shown if "from" in trunk.identity else replace(account, display=caller.display)
    if "display_name" in trunk.identity and number and not anonymous:
        from_ = replace(from_, display=number)
    headers = []
    wanted = [name for name in ASSERTIONS if name in trunk.identity]
    if anonymous and not wanted:  # the carrier has to know all the same (RFC 3325)
        wanted = ["p_asserted_identity"]
    if anonymous and "privacy" in trunk.anonymous:
        headers.append(("Privacy", "id"))
    if caller.number or anonymous:
        for name in wanted:
            value = str(asserted)
            if name == "remote_party_id":
                value += f";party=calling;screen=yes;privacy={'full' if anonymous else 'off'}"
            headers.append((ASSERTIONS[name], value))
    if anonymous:
        hides = "from" in trunk.anonymous and "from" in trunk.identity
        from_ = ANONYMOUS if hides else replace(from_, display="")
    if diverted:
        was = uri_of(rewritten(diverted, identity_rules, trunk, "the number that was called"), domain, trunk)
        if "diversion" in trunk.diversion:
            headers.append(("Diversion", f"<{was}>;reason=unconditional;counter=1"))
        if "history_info" in trunk.diversion:
            headers.append(("History-Info", f"<{was}>;index=1"))
            if target:
                headers.append(("History-Info", f"<{target}>;index=1.1;mp=1"))
    return from_, headers


def called(request: Request, trunk: Trunk | None) -> Uri:
    """Whom an INVITE that came is for: what the trunk's `called_in` names first of what is there, by its rules."""
    found = request.uri
    for name in trunk.called_in if trunk else ():
        if name == "request_uri":
            break
        value = request.headers.get(CALLED_IN[name])
        with suppress(SipParseError):
            if value and (uri := NameAddr.parse(split_outside(value, ",")[0]).uri).number:
                found = uri
                break
    return _read(found, trunk.numbers.called_in) if trunk else found


def caller(request: Request, trunk: Trunk | None) -> NameAddr:
    """Who sent an INVITE that came: likewise by `caller_in`. What cannot be read is passed over."""
    found = request.from_
    for name in trunk.caller_in if trunk else ():
        if name == "from":
            break
        value = request.headers.get(ASSERTIONS[name])
        with suppress(SipParseError):
            if value:
                found = NameAddr.parse(split_outside(value, ",")[0])
                break
    return replace(found, uri=_read(found.uri, trunk.numbers.caller_in)) if trunk else found


def _read(uri: Uri, rules: NumberRules) -> Uri:
    """A number that no rule takes stays as it is: a call is not lost over it."""
    if not rules:
        return uri
    with suppress(NoRule):
        made = rules.apply(uri.number)
        if made != uri.number:
            return replace(uri, user=number_user(made) if uri.is_sip else made)
    return uri
