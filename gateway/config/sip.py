"""A row of `trunks` in the gateway's file, and the trunk that it describes."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from gateway.codecs import CODECS
from gateway.errors import SipParseError
from gateway.sip import Credentials, Trunk, Uri, check_headers


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Login(_Section):
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


class TrunkRow(_Section):
    """A way in, a way out, or both; `gateway.sip.Trunk` says what each key means."""

    name: str = Field(min_length=1)
    peers: tuple[IPv4Network | IPv6Network, ...] = ()
    users: tuple[Login, ...] = ()
    max_calls: int = Field(default=0, ge=0)
    calls_per_second: float = Field(default=0.0, ge=0)
    server: SipUri | None = None
    proxy: SipUri | None = None
    domain: str = ""
    login: Login | None = None
    register_seconds: int = Field(default=0, ge=0, le=86400)
    caller_id: str = ""
    p_asserted_identity: bool = False
    headers: dict[str, str] = {}
    codecs: tuple[str, ...] = ()
    srtp: Literal["off", "optional", "required"] | None = None
    transfer: Literal["refer", "bridge", "auto"] = "auto"
    dtmf: Literal["rtp", "info", "inband"] = "rtp"
    ring_seconds: float = Field(default=60.0, gt=0, le=600)
    session_seconds: int = Field(default=1800, ge=0)
    redirects: int = Field(default=0, ge=0, le=10)
    follow_refer: bool = False
    ptime_ms: Literal[0, 10, 20, 30, 40, 60] = 0
    nat: Literal["auto", "on", "off"] = "auto"
    media_peers: tuple[IPv4Network | IPv6Network, ...] = ()

    @field_validator("nat", mode="before")
    @classmethod
    def _yaml_has_its_own_idea_of_on_and_off(cls, nat: object) -> object:
        return {True: "on", False: "off"}.get(nat, nat) if isinstance(nat, bool) else nat

    @model_validator(mode="after")
    def _check(self) -> TrunkRow:
        if not (self.peers or self.users or self.server):
            raise ValueError("it needs peers or users, who may call, or a server, which is called")
        if self.register_seconds and not self.server:
            raise ValueError("register_seconds needs a server to register with")
        if 0 < self.session_seconds < 90:
            raise ValueError("session_seconds is 90 or more, or 0 for no session timer")
        if unknown := [name for name in self.codecs if name not in CODECS]:
            raise ValueError(f"there is no codec {', '.join(unknown)}; these are: {', '.join(CODECS)}")
        try:
            check_headers(list(self.headers.items()))
        except SipParseError as error:
            raise ValueError(f"headers: {error.problem}") from error
        return self


def trunk_of(row: TrunkRow, secret: Callable[[str, str], str]) -> Trunk:
    """`secret` reads a variable of the environment; its second argument is the key that names it, within the row."""

    def known(login: Login, key: str) -> Credentials:
        return Credentials(login.username, secret(login.password_env, f"{key}.password_env"))

    return Trunk(
        row.name,
        row.peers,
        row.max_calls,
        row.calls_per_second,
        users=tuple(known(user, f"users.{place}") for place, user in enumerate(row.users)),
        server=Uri.parse(row.server) if row.server else None,
        proxy=Uri.parse(row.proxy) if row.proxy else None,
        domain=row.domain,
        credentials=known(row.login, "login") if row.login else None,
        register_seconds=row.register_seconds,
        caller_id=row.caller_id,
        p_asserted_identity=row.p_asserted_identity,
        headers=tuple(row.headers.items()),
        codecs=row.codecs,
        srtp=row.srtp or "",
        transfer=row.transfer,
        dtmf=row.dtmf,
        ring_seconds=row.ring_seconds,
        session_seconds=row.session_seconds,
        redirects=row.redirects,
        follow_refer=row.follow_refer,
        ptime_ms=row.ptime_ms,
        nat=row.nat,
        media_peers=row.media_peers,
    )
