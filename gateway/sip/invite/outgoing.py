"""Makes the parameters of an INVITE from what is to be called and the settings of the trunk."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.errors import NotLoggedIn, SipParseError
from gateway.sip.flow import Flow
from gateway.sip.invite.uac import InviteParameters
from gateway.sip.message.grammar import TOKEN
from gateway.sip.message.headers import NameAddr
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import Login
from gateway.sip.register.registrar import Binding
from gateway.sip.trunk.identity import rewritten, sent, uri_of
from gateway.sip.trunk.settings import Trunk

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
    this call takes the place of (RFC 3891). `diverted` is the number that was called first, of a call for somebody whom
    we transfer.
    """

    target: str
    trunk: Trunk
    caller_id: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    ring_seconds: float = 0.0
    anonymous: bool = False
    replaces: str = ""
    diverted: str = ""


def invitation(
    invite: OutgoingInvite,
    offer: Callable[[Flow], bytes],
    login: Login | None,
    host: str,
    telephones: Sequence[Binding] = (),
) -> InviteParameters:
    """`host` is ours, for who has no trunk's domain; `telephones` are those of the user that is called, of which
    the latest to log in is called.

    Raises SipParseError, which names what cannot be, and NotLoggedIn.
    """
    trunk = invite.trunk
    if not telephones and any(user.username == invite.target for user in trunk.users):
        raise NotLoggedIn(invite.target)
    target = telephones[0].contact if telephones else _target(invite.target, trunk, host)
    caller, identity = sent(trunk, invite.caller_id, invite.anonymous, host, invite.diverted, target)
    headers = [*trunk.headers, *invite.headers]
    check_headers(headers)
    headers += identity
    if invite.replaces:
        headers.append(("Replaces", invite.replaces))
    via_proxy = trunk.proxy and "lr" in trunk.proxy.params
    return InviteParameters(
        target=target,
        caller=caller,
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
        invitation(invite, lambda flow: b"", None, "localhost")


def check_headers(headers: list[tuple[str, str]]) -> None:
    """Refuse what would start another header, or stand in for one of ours. Raises SipParseError."""
    for name, value in headers:
        if not TOKEN.fullmatch(name):
            raise SipParseError(f"not the name of a header: {name[:40]!r}")
        if name.lower() in OURS:
            raise SipParseError(f"the header {name} is the gateway's own")
        if any(char in value for char in "\r\n\0"):
            raise SipParseError(f"the value of {name} has a line end in it")


def _target(text: str, trunk: Trunk, host: str) -> Uri:
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
    number = rewritten(number, trunk.numbers.called, trunk, "whom to call")
    uri = uri_of(number, trunk.to_host or host, trunk, trunk.server.scheme)
    port = None if trunk.to_domain or trunk.domain else trunk.server.port
    params = {key: value for key, value in trunk.server.params.items() if key == "transport"}
    return replace(uri, port=port, params=params | uri.params)


def _at_the_server(target: Uri, trunk: Trunk) -> bool:
    return trunk.server is not None and target.host in {trunk.to_host, trunk.domain, trunk.server.host} - {""}
