"""A row of `trunks` in the gateway's file, and the trunk that it describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from gateway.codecs import CODECS
from gateway.document import Section, fill, section_of
from gateway.errors import SipParseError
from gateway.sip import Credentials, Trunk, Uri, check_headers


class Login(Section):
    """`password_env` names the variable of the environment that holds the password."""

    username: str = Field(min_length=1)
    password_env: str = Field(min_length=1)


def _sip_uri(text: str) -> str:
    try:
        uri = Uri.parse(text if text.startswith(("sip:", "sips:")) else f"sip:{text}")
    except SipParseError as error:
        raise ValueError(
            f"{error.problem}; it is like sip:trunk.example.com or sip:192.0.2.7:5080;transport=tcp"
        ) from error
    return str(uri)


SipUri = Annotated[str, AfterValidator(_sip_uri)]


class _Checked(Section):
    @field_validator("nat", mode="before", check_fields=False)
    @classmethod
    def _yaml_has_its_own_idea_of_on_and_off(cls, nat: object) -> object:
        return {True: "on", False: "off"}.get(nat, nat) if isinstance(nat, bool) else nat

    @model_validator(mode="after")
    def _check(self) -> Any:
        row: Any = self
        if not (row.peers or row.users or row.server):
            raise ValueError("it needs peers or users, who may call, or a server, which is called")
        if row.register_seconds and not row.server:
            raise ValueError("register_seconds needs a server to register with")
        if 0 < row.session_seconds < 90:
            raise ValueError("session_seconds is 90 or more, or 0 for no session timer")
        if unknown := [name for name in row.codecs if name not in CODECS]:
            raise ValueError(f"there is no codec {', '.join(unknown)}; these are: {', '.join(CODECS)}")
        try:
            check_headers(list(row.headers.items()))
        except SipParseError as error:
            raise ValueError(f"headers: {error.problem}") from error
        return row


if TYPE_CHECKING:
    TrunkRow = Any
else:
    TrunkRow = section_of(
        Trunk,
        _Checked,
        {
            "name": (Annotated[str, Field(min_length=1)], ...),
            "users": (tuple[Login, ...], ()),
            "server": (SipUri | None, None),
            "proxy": (SipUri | None, None),
            "login": (Login | None, None),
            "credentials": None,  # as `login`
            "headers": (dict[str, str], {}),
        },
    )
"""A way in, a way out, or both; `gateway.sip.Trunk` says what each key means."""


def trunk_of(row: Any, secret: Callable[[str, str], str]) -> Trunk:
    """`secret` reads a variable of the environment; its second argument is the key that names it, within the row."""

    def known(login: Login, key: str) -> Credentials:
        return Credentials(login.username, secret(login.password_env, f"{key}.password_env"))

    return fill(
        Trunk,
        row,
        users=tuple(known(user, f"users.{place}") for place, user in enumerate(row.users)),
        server=Uri.parse(row.server) if row.server else None,
        proxy=Uri.parse(row.proxy) if row.proxy else None,
        credentials=known(row.login, "login") if row.login else None,
        headers=tuple(row.headers.items()),
    )
