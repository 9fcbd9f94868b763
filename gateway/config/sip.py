"""A row of `trunks` in the gateway's file, and the trunk that it describes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.codecs import CODECS
from gateway.config.trunk_profiles import hints_of, names, profile, with_profile
from gateway.document import Section, fill, section_of
from gateway.errors import SipParseError
from gateway.sip import (
    Credentials,
    Match,
    NumberRules,
    Numbers,
    Trunk,
    TrunkTls,
    Uri,
    check_headers,
    check_refer_to,
    check_refer_variables,
)


class User(Section):
    """`password_env` names the variable of the environment that holds the password."""

    username: str = Field(min_length=1)
    password_env: str = Field(min_length=1)


class Login(User):
    """`auth_user` is whom the digest names, where that is not `username`."""

    auth_user: str = ""


def _sip_uri(text: str) -> str:
    try:
        uri = Uri.parse(text if text.startswith(("sip:", "sips:")) else f"sip:{text}")
    except SipParseError as error:
        raise ValueError(
            f"{error.problem}; it is like sip:trunk.example.com or sip:192.0.2.7:5080;transport=tcp"
        ) from error
    return str(uri)


SipUri = Annotated[str, AfterValidator(_sip_uri)]

_HOST = re.compile(r"(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z][A-Za-z0-9-]{0,62}")


def _peer(text: str) -> str:
    if _HOST.fullmatch(text):
        return text
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no address, network or name of a host, such as 192.0.2.7, 192.0.2.0/24, sip.example.com: "
            f"{error}"
        ) from error
    return text


def _host(text: str) -> str:
    if text and not _HOST.fullmatch(text):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{text!r} is no name or address of a host") from None
    return text


def _user_part(text: str) -> str:
    if re.search(r"[\s@<>\"]", text):
        raise ValueError(f"{text!r} is no user part of a SIP URI, such as +15550100: it has a space, @, < > or a quote")
    return text


def _rules(texts: tuple[str, ...]) -> tuple[str, ...]:
    NumberRules.parse(texts)
    return texts


Peer = Annotated[str, AfterValidator(_peer)]
Host = Annotated[str, AfterValidator(_host)]
UserPart = Annotated[str, AfterValidator(_user_part)]
Rules = Annotated[tuple[str, ...], AfterValidator(_rules)]


class _TlsChecked(Section):
    @model_validator(mode="after")
    def _check(self) -> Any:
        row: Any = self
        if bool(row.certificate) != bool(row.key):
            raise ValueError("certificate and key go together")
        if row.client_certificate and not row.ca:
            raise ValueError("client_certificate needs a ca that vouches for it")
        if row.client_names and not row.client_certificate:
            raise ValueError("client_names needs client_certificate: required")
        return row


class _Checked(Section):
    @model_validator(mode="before")
    @classmethod
    def _take_profile(cls, row: Any) -> Any:
        known = isinstance(row, dict) and row.get("profile") in names()
        return with_profile(row) if known else row

    @field_validator("profile", check_fields=False)
    @classmethod
    def _check_profile(cls, name: str) -> str:
        if name:
            profile(name)
        return name

    @field_validator("nat", "srtp", "prack", mode="before", check_fields=False)
    @classmethod
    def _yaml_has_its_own_idea_of_on_and_off(cls, value: object) -> object:
        return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _check(self) -> Any:
        row: Any = self
        if not (row.peers or row.users or row.server):
            raise ValueError("it needs peers or users, who may call, or a server, which is called")
        for key in ("register_seconds", "options_ping_seconds", "proxy", "backup_servers"):
            if getattr(row, key) and not row.server:
                raise ValueError(f"{key} needs a server")
        for key in ("identity", "anonymous", "called_in", "caller_in"):
            if not getattr(row, key):
                raise ValueError(f"{key} is empty")
        if 0 < row.session_seconds < 90:
            raise ValueError("session_seconds is 90 or more, or 0 for no session timer")
        if 0 < row.session_seconds < row.session_min_seconds:
            raise ValueError("session_min_seconds is above session_seconds: what we ask for we would refuse")
        if unknown := [name for name in row.codecs if name not in CODECS]:
            raise ValueError(f"there is no codec {', '.join(unknown)}; these are: {', '.join(CODECS)}")
        check_refer_to(row.refer_to)
        for value in row.refer_headers.values():
            check_refer_variables(value)
        try:
            check_headers(list(row.headers.items()))
            check_headers(list(row.refer_headers.items()))
        except SipParseError as error:
            raise ValueError(f"headers: {error.problem}") from error
        return row


if TYPE_CHECKING:
    TrunkRow = Any
else:
    MatchRow = section_of(Match, Section, {"headers": (dict[str, str], {})})
    NumbersRow = section_of(Numbers, Section, dict.fromkeys(Numbers.__dataclass_fields__, (Rules, ())))
    TlsRow = section_of(TrunkTls, _TlsChecked, {})
    TrunkRow = section_of(
        Trunk,
        _Checked,
        {
            "peers": (tuple[Peer, ...], ()),
            "peer_names": None,  # among `peers`
            "hints": None,  # of the profile
            "users": (tuple[User, ...], ()),
            "match": (MatchRow, MatchRow()),
            "server": (SipUri | None, None),
            "backup_servers": (tuple[SipUri, ...], ()),
            "proxy": (SipUri | None, None),
            "login": (Login | None, None),
            "credentials": None,  # as `login`
            "contact_user": (UserPart, ""),
            "contact_host": (Host, ""),
            "domain": (Host, ""),
            "from_domain": (Host, ""),
            "to_domain": (Host, ""),
            "from_user": (UserPart, ""),
            "numbers": (NumbersRow, NumbersRow()),
            "headers": (dict[str, str], {}),
            "refer_headers": (dict[str, str], {}),
            "tls": (TlsRow, TlsRow()),
        },
    )
"""A way in, a way out, or both; `gateway.sip.Trunk` says what each key means."""


def trunk_of(row: Any, secret: Callable[[str, str], str], folder: Path = Path()) -> Trunk:
    """`secret` reads a variable of the environment; its second argument is the key that names it, within the row.

    Files are found from `folder`.
    """

    def known(login: User, key: str) -> Credentials:
        other = login.auth_user if isinstance(login, Login) else ""
        return Credentials(login.username, secret(login.password_env, f"{key}.password_env"), other)

    def file(name: str) -> str:
        return str(folder / name) if name else ""

    hosts = [one for one in row.peers if _HOST.fullmatch(one)]
    return fill(
        Trunk,
        row,
        peers=tuple(ipaddress.ip_network(one) for one in row.peers if one not in hosts),
        peer_names=tuple(hosts),
        hints=hints_of(row.profile),
        users=tuple(known(user, f"users.{place}") for place, user in enumerate(row.users)),
        match=fill(Match, row.match),
        server=Uri.parse(row.server) if row.server else None,
        backup_servers=tuple(Uri.parse(one) for one in row.backup_servers),
        proxy=Uri.parse(row.proxy) if row.proxy else None,
        credentials=known(row.login, "login") if row.login else None,
        numbers=Numbers(**{name: NumberRules.parse(texts) for name, texts in dict(row.numbers).items()}),
        headers=tuple(row.headers.items()),
        refer_headers=tuple(row.refer_headers.items()),
        tls=fill(TrunkTls, row.tls, **{name: file(getattr(row.tls, name)) for name in ("certificate", "key", "ca")}),
    )


def dial_plan_faults(plan: list[tuple[str, tuple[str, ...]]], trunks: tuple[Trunk, ...]) -> list[tuple[str, str]]:
    """What is wrong with the rows of `dial_plan` and with `bridge_trunk` of trunks: keys, and what to say of each."""
    known, found = {trunk.name: trunk for trunk in trunks}, []
    named = [(f"dial_plan.{number}.trunks", name) for number, (_, names) in enumerate(plan) for name in names]
    named += [(f"trunks.{number}.bridge_trunk", one.bridge_trunk) for number, one in enumerate(trunks)]
    for key, name in named:
        if name and name not in known:
            near = get_close_matches(name, known, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            found.append((key, f"no trunk is called {name!r}; these are: {', '.join(known) or 'none'}{meant}"))
        elif name and not (known[name].server or known[name].users):
            found.append((key, f"the trunk {name} has no server: nobody can be called by it"))
    for number, (called, _) in enumerate(plan):
        if before := next((one for one, _ in plan[:number] if one in ("*", called)), None):
            problem = f"{called!r} is never reached: {before!r} before it takes the same numbers"
            found.append((f"dial_plan.{number}.called", problem))
    return found


def overlapping(trunks: tuple[Trunk, ...]) -> list[str]:
    """Trunks that INVITEs from the same addresses would be for, with nothing that tells them apart."""
    found = []
    for place, one in enumerate(trunks):
        for other in trunks[:place]:
            shared = _shared(one, other)
            if shared and not _told_apart(one, other):
                found.append(
                    f"the trunks {other.name} and {one.name} may both call from {shared}: an INVITE is {other.name}'s, "
                    "unless match (or a contact_user that each registers) tells them apart"
                )
    return found


def _shared(one: Trunk, other: Trunk) -> str:
    for network in one.peers:
        for another in other.peers:
            if network.version == another.version and network.overlaps(another):
                return str(max(network, another, key=lambda net: net.prefixlen))
    return next((name for name in one.peer_names if name in other.peer_names), "")


def _told_apart(one: Trunk, other: Trunk) -> bool:
    if one.match or other.match:
        return one.match != other.match
    accounts: list[Mapping[str, str] | set[str]] = [
        {trunk.contact_user, trunk.user} - {""} if trunk.register_seconds else set() for trunk in (one, other)
    ]
    return all(accounts) and accounts[0] != accounts[1]
