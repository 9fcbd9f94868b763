"""Makes the parameters of an INVITE from what is to be called and the settings of the trunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote as percent_encode

from gateway.errors import NotLoggedIn, SipParseError
from gateway.sip.invite.uac import InviteParameters
from gateway.sip.message.grammar import TOKEN
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import Login
from gateway.sip.register.registrar import Binding
from gateway.sip.trunks import Trunk

OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route", "content-length",
     "content-type", "content-encoding", "authorization", "proxy-authorization", "require", "proxy-require",
     "supported", "allow", "session-expires", "min-se", "rack", "rseq", "replaces"}
)  # fmt: skip
"""Headers of the call itself, which settings and API cannot set."""

_NUMBER = re.compile(r"[^\s@<>\"\r\n]+")


@dataclass(frozen=True, slots=True)
class OutgoingInvite:
    """`target` is a number or name at the trunk, or a SIP URI. `headers` are added to the INVITE.

    `caller_id` is a number or name, and may have a display name: `"Acme" <+15550100>`. `ring_seconds` of 0 is the
    trunk's own. An `anonymous` call tells the carrier alone who is calling. `replaces` is the dialog at the target that
    this call takes the place of (RFC 3891).
    """

    target: str
    trunk: Trunk
    caller_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    ring_seconds: float = 0.0
    anonymous: bool = False
    replaces: str = ""


def invitation(
    invite: OutgoingInvite,
    offer: Callable[[str], bytes],
    login: Login | None,
    host: str,
    telephones: Sequence[Binding] = (),
) -> InviteParameters:
    """`host` is ours, for who has no trunk's domain; `telephones` are those of the user that is called, of which
    the latest to log in is called.

    Raises SipParseError, which names what cannot be, and NotLoggedIn.
    """
    trunk = invite.trunk
    domain = trunk.domain or (trunk.server.host if trunk.server else host)
    if not telephones and any(user.username == invite.target for user in trunk.users):
        raise NotLoggedIn(invite.target)
    target = telephones[0].contact if telephones else _target(invite.target, trunk, domain)
    caller = _caller(invite.caller_id or trunk.caller_id, trunk, domain)
    headers = [*trunk.headers, *invite.headers]
    check_headers(headers)
    if invite.anonymous:
        headers.append(("Privacy", "id"))
    if trunk.p_asserted_identity or invite.anonymous:  # the carrier has to know all the same (RFC 3325)
        headers.append(("P-Asserted-Identity", str(caller)))
    if invite.replaces:
        headers.append(("Replaces", invite.replaces))
    via_proxy = trunk.proxy and "lr" in trunk.proxy.params
    return InviteParameters(
        target=target,
        caller=ANONYMOUS if invite.anonymous else caller,
        callee=NameAddr(target),
        hop=trunk.proxy or (trunk.server if _at_the_server(target, trunk) else None),
        flows=tuple(one.flow for one in telephones[:1]),
        bound=bool(telephones),
        offer=offer,
        headers=tuple(headers),
        routes=(f"<{trunk.proxy}>",) if via_proxy else (),
        login=login,
        trunk=trunk,
        ring_seconds=invite.ring_seconds or trunk.ring_seconds,
        redirects=trunk.redirects,
        session_seconds=trunk.session_seconds,
    )


def check_outgoing_invite(invite: OutgoingInvite) -> None:
    """Raise at once for what cannot be called. Raises SipParseError."""
    with suppress(NotLoggedIn):  # that may change
        invitation(invite, lambda host: b"", None, "localhost")


def check_headers(headers: list[tuple[str, str]]) -> None:
    """Refuse what would start another header, or stand in for one of ours. Raises SipParseError."""
    for name, value in headers:
        if not TOKEN.fullmatch(name):
            raise SipParseError(f"not the name of a header: {name[:40]!r}")
        if name.lower() in OURS:
            raise SipParseError(f"the header {name} is the gateway's own")
        if any(char in value for char in "\r\n\0"):
            raise SipParseError(f"the value of {name} has a line end in it")


def _target(text: str, trunk: Trunk, domain: str) -> Uri:
    text = text.strip()
    if text.lower().startswith(("sip:", "sips:")):
        return Uri.parse(text).without_headers()
    number = text[4:] if text.lower().startswith("tel:") else text
    number = re.sub(r"(?<=\d)[ ().-]+(?=[\d(])", "", number) if re.match(r"\+?[\d(]", number) else number
    if not _NUMBER.fullmatch(number):
        raise SipParseError(f"neither a number nor a SIP URI: {text[:60]!r}")
    if trunk.server is None:
        raise SipParseError(
            f"the trunk {trunk.name} has no server to call {number!r} at: call a SIP URI, or set server"
        )
    user = percent_encode(number, safe="+*-_.!~'()&=$,;?/")  # RFC 3261 section 25.1, user
    params = {key: value for key, value in trunk.server.params.items() if key == "transport"}
    return Uri(trunk.server.scheme, user, domain, None if trunk.domain else trunk.server.port, params)


def _at_the_server(target: Uri, trunk: Trunk) -> bool:
    return trunk.server is not None and target.host in (trunk.domain, trunk.server.host)


ANONYMOUS = NameAddr(Uri("sip", "anonymous", "anonymous.invalid"), "Anonymous")
"""Who does not want to be known (RFC 3323 section 4.1.1.3)."""


def _caller(caller_id: str, trunk: Trunk, domain: str) -> NameAddr:
    user = trunk.credentials.username if trunk.credentials else "gateway"
    if not caller_id:
        return NameAddr(Uri("sip", user, domain))
    if "sip:" in caller_id:
        return NameAddr.parse(caller_id)
    display, bracket, rest = caller_id.partition("<")
    user = (rest.partition(">")[0] if bracket else caller_id).strip()
    if not _NUMBER.fullmatch(user):
        raise SipParseError(f"not a caller ID: {caller_id[:60]!r}")
    name = display.strip().strip('"') if bracket else ""
    return NameAddr(Uri("sip", percent_encode(user, safe="+*-_.!~'()&=$,;?/"), domain), name)
