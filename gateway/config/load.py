"""One file and the environment become the settings of every package. The only reader of the environment.

`GATEWAY_SIP_PORT=5070` overrides `sip.port`, and so on: the prefix, the section, the key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.agents import BUNDLED, Agents, load_agents
from gateway.bridge import BridgeSettings, DialRule, McpSettings, Route, by_price
from gateway.codecs import CODECS, hold_tune, read_wav
from gateway.config.agent_checks import check_agents
from gateway.config.delivery import DeliverySettings, Hours, Records, WebhookRow, delivery_of
from gateway.config.dotenv import read_dotenv
from gateway.config.http import Http, HttpSettings, Port, http_of
from gateway.config.providers import RealtimeProvider, provider_of, wanted
from gateway.config.sip import TrunkRow, dial_plan_faults, overlapping, trunk_of
from gateway.document import Faults, Section, explain, explained, fill, load, place, read
from gateway.errors import ConfigError
from gateway.outcomes import RETRY_AFTER
from gateway.realtime import Provider
from gateway.rtp import MediaSettings
from gateway.sip import STUN_SERVERS, SipSettings, TlsSettings, Trunk
from gateway.store import StoreSettings, check_url

PREFIX = "GATEWAY_"
EMBEDDED = "local"
"""The provider that comes with the gateway."""


class Tls(Section):
    """PEM files, named as seen from the gateway's file. `ca` holds whom to trust instead of the system's list."""

    certificate: Path
    key: Path
    port: Port = 5061
    ca: Path | None = None
    client_certificates: bool = False

    @model_validator(mode="after")
    def _check(self) -> Tls:
        if self.client_certificates and self.ca is None:
            raise ValueError("client_certificates needs a ca that vouches for them")
        return self


class Listener(Section):
    """One more address for SIP; TLS is listened to on `sip.tls.port` of it too."""

    host: str
    port: Port = 5060
    public_host: str = ""


class Sip(Section):
    """Where SIP is listened to, on UDP and TCP. `public_host` is the address that peers reach us at, behind NAT;
    `auto` asks `stun_servers`."""

    host: str = "127.0.0.1"
    port: Port = 5060
    public_host: str = ""
    tls: Tls | None = None
    stun_servers: Annotated[tuple[str, ...], Field(min_length=1)] = STUN_SERVERS  # host:port
    nameservers: tuple[str, ...] = ()  # host:port; empty: the system's
    trace: bool = False
    trace_calls: int = Field(default=100, ge=0, le=10000)
    realm: str = ""  # of passwords; empty: public_host, or a name
    open: bool = False  # without trunks: whether everybody may call
    calls_per_second: float = Field(default=50.0, ge=0)  # of callers of no trunk
    max_calls: int = Field(default=500, ge=0)
    max_setups: int = Field(default=300, ge=1)
    also: tuple[Listener, ...] = ()
    unknown_peers: Literal["refuse", "ignore"] = "refuse"
    retry_after: dict[Literal[tuple(RETRY_AFTER)], Annotated[int, Field(ge=0, le=86400)]] = Field(  # type: ignore[valid-type]
        default={}
    )

    @field_validator("nameservers")
    @classmethod
    def _check_nameservers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in names if not re.fullmatch(r"[0-9a-fA-F.:]+:\d{1,5}", one)]:
            raise ValueError(f"not an address with a port, such as 192.0.2.53:53: {wrong[0]!r}")
        return names

    @field_validator("stun_servers")
    @classmethod
    def _check_stun_servers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in names if not re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}", one)]:
            raise ValueError(f"not a host with a port, such as {STUN_SERVERS[0]}: {wrong[0]!r}")
        return names


class Media(Section):
    """RTP ports, and how audio travels: codecs by preference, ms of audio in one event to the provider."""

    host: str = ""  # empty: as sip.host
    public_host: str = ""  # empty: as sip.public_host
    first_port: Port = 20000
    last_port: Port = 29999
    reorder_ms: int = Field(default=40, ge=0, le=500)
    timeout_seconds: float = Field(default=60.0, ge=0)
    chunk_ms: int = Field(default=20, ge=20, le=100)
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    ptime_ms: Literal[10, 20, 30, 40, 60] = 20  # that callers are asked to send
    srtp: Literal["off", "optional", "required"] = "optional"
    hold_audio: Path | None = None  # a WAV; none: a tune of our own
    echo_guard: bool = True
    comfort_noise_dbm0: float | None = Field(default=None, ge=-80, le=-30)

    @model_validator(mode="after")
    def _check(self) -> Media:
        if self.last_port < self.first_port:
            raise ValueError("last_port is below first_port")
        if unknown := [name for name in self.codecs if name not in CODECS]:
            raise ValueError(f"there is no codec {', '.join(unknown)}; these are: {', '.join(CODECS)}")
        if not self.codecs:
            raise ValueError("codecs is empty")
        return self


class Redis(Section):
    """An empty url starts an embedded Redis."""

    url: str = ""
    keep_seconds: int = Field(default=86400, ge=1)

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url:
            check_url(url)
        return url


class Recordings(Section):
    """The folder for recordings, and for how many days they stay; 0: for ever."""

    folder: Path | None = None
    keep_days: float = Field(default=0.0, ge=0)


def _folder_alone(value: Any) -> Any:
    """`recordings: DIR` is short for its folder."""
    return {"folder": value or None} if isinstance(value, str | Path) else value


class McpRow(Section):
    """A `command` to start, with variables of the environment that `env` names by those that hold them; or a `url`."""

    command: tuple[str, ...] = ()
    env: dict[str, str] = Field(default={})
    url: str = Field(default="", pattern=r"^(https?://[^\s]+)?$")

    @model_validator(mode="after")
    def _one_of_both(self) -> McpRow:
        if bool(self.command) == bool(self.url):
            raise ValueError("either a command or a url")
        return self


class RouteRow(Section):
    called: str = "*"
    agent: str
    trunk: str = "*"
    attestation: str = "*"


def _by_price(value: Any) -> Any:
    """`{cheap: 0.8, dear: 1.2}` is the names by their prices."""
    return by_price(value) if isinstance(value, dict) else value


class DialPlanRow(Section):
    """`trunks` in the order in which they are tried, or each with its price, of which the cheapest is tried first."""

    called: str = Field(min_length=1)
    trunks: Annotated[tuple[str, ...], BeforeValidator(_by_price), Field(min_length=1)]


class Log(Section):
    """`format: auto` is for people on a terminal and JSON elsewhere. `transcripts` puts what is said into the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    transcripts: bool = False


class _File(BaseSettings):
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    sip: Sip = Sip()
    http: Http = Http()
    media: Media = Media()
    redis: Redis = Redis()
    agents: Annotated[Path | None, BeforeValidator(lambda value: value or None)] = None
    providers: dict[str, RealtimeProvider] = {}
    mcp: dict[str, McpRow] = {}
    trunks: tuple[TrunkRow, ...] = ()
    routes: tuple[RouteRow, ...] = ()
    dial_plan: tuple[DialPlanRow, ...] = ()
    recordings: Annotated[Recordings, BeforeValidator(_folder_alone)] = Recordings()
    webhooks: tuple[WebhookRow, ...] = ()
    records: Records = Records()
    delivery_hours: Hours = 24.0  # after which what nobody takes is given up
    log: Log = Log()
    drain_seconds: float = Field(default=60.0, ge=0)
    node: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the packages are built with."""

    sip: SipSettings
    http: HttpSettings
    media: MediaSettings
    store: StoreSettings
    bridge: BridgeSettings
    agents: Agents
    providers: dict[str, Provider]
    mcp: tuple[McpSettings, ...]
    webhook_secrets: dict[tuple[str, str], str] = field(repr=False)
    chat_keys: dict[str, str] = field(repr=False)
    delivery: DeliverySettings
    recording_days: float
    log: Log
    drain_seconds: float

    @property
    def embedded(self) -> bool:
        """Some agent wants the provider that comes with the gateway, and nobody else bears its name."""
        return EMBEDDED not in self.providers and any(
            EMBEDDED in wanted(agent.definition).values() for agent in self.agents.values()
        )

    @property
    def open_to_all(self) -> str:
        """What an operator should know about who may call; empty where trunks say it, or nobody else gets here."""
        hosts = (self.sip.host, *(host for host, _, _ in self.sip.also))
        if self.sip.trunks or all(_is_loopback(host) for host in hosts):
            return ""
        if self.sip.open:
            return "sip.open: EVERYBODY who reaches SIP here may call, and each call costs what the provider takes"
        return (
            "there are no trunks: only this machine and private networks may call. Name who may in trunks, "
            "or let everybody in with sip.open: true"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


DEMO: dict[str, Any] = {
    "agents": str(BUNDLED),
    "routes": [
        {"called": "sales", "agent": "department"},
        {"called": "support", "agent": "department"},
        {"called": "billing", "agent": "department"},
        {"called": "*", "agent": "receptionist"},
    ],
    "log": {"transcripts": True},
}
"""What `gateway demo` runs with."""


def from_file(path: Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Raises ConfigError with the line, all others in its `more`. What `.env` beside the file has goes into the
    environment, where that has nothing of the name."""
    read_dotenv(path.parent / ".env")
    text = read(path)
    try:
        return _settings(
            load(str(path), text, lambda data: _build(data, overrides or {}), _File), str(path), path.parent
        )
    except ConfigError as error:
        for one in (error, *error.more):
            place(one)
        raise


def from_values(values: dict[str, Any], overrides: dict[str, Any] | None = None) -> Settings:
    """Without a file. Raises ConfigError, all others in its `more`."""
    try:
        return _settings(_build(values, overrides or {}), "the settings", Path())
    except ValidationError as error:
        raise explained(error, "the settings", _File) from error


def warnings_of(settings: Settings) -> list[str]:
    """What is allowed, and may not be meant."""
    found = [settings.open_to_all] if settings.open_to_all else []
    for name, agent in settings.agents.items():
        definition = agent.definition
        provider = settings.providers.get(definition.provider)
        if provider and not definition.model and "{model}" in provider.dialect.query.values():
            found.append(f"the agent {name} names no model: {provider.name} is asked for none")
    found += overlapping(settings.sip.trunks)
    if not any(agent in {route.agent for route in settings.bridge.routes} for agent in settings.agents):
        found.append("no route leads to an agent")
    return found


def _build(data: dict[str, Any], overrides: dict[str, Any]) -> _File:
    """Overrides stand above the environment, and that above the file. Raises ValidationError, ConfigError."""

    class Layered(_File):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return InitSettingsSource(settings_cls, overrides), env_settings, init_settings

    try:
        return Layered(**data)
    except ValidationError as error:
        for one in error.errors():
            variable = PREFIX + "_".join(str(step) for step in one["loc"]).upper()
            if variable in os.environ:
                raise ConfigError(variable, explain(one)) from error
        raise


def _settings(file: _File, source: str, folder: Path) -> Settings:
    if file.agents is None:
        raise ConfigError(source, "is missing: the folder that holds the agents' files", key="agents")
    faults = Faults()
    agents = faults.of(partial(load_agents, folder / file.agents))

    def secret(row: str) -> Callable[[str, str], str]:
        """Reads a variable of the environment; one that is not there is told with all else that is wrong."""
        return lambda name, key: faults.of(partial(_from_environment, source, row, name, key)) or ""

    providers = {name: provider_of(name, row, secret(f"providers.{name}")) for name, row in file.providers.items()}
    recordings = folder / file.recordings.folder if file.recordings.folder else None
    if agents is not None:
        known = {EMBEDDED: Provider(EMBEDDED, ""), **providers}
        faults.of(partial(check_agents, agents, known, recordings is not None))
    for what, names in (
        ("trunks", [trunk.name for trunk in file.trunks]),
        ("users", [user.username for trunk in file.trunks for user in trunk.users]),
    ):
        if len(set(names)) < len(names):
            faults.add(ConfigError(source, f"two {what} have the same name", key="trunks"))
    trunks = tuple(trunk_of(row, secret(f"trunks.{number}"), folder) for number, row in enumerate(file.trunks))
    for number, row in enumerate(file.routes):
        if agents is not None and row.agent not in agents:
            near = get_close_matches(row.agent, agents, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            problem = f"there is no agent {row.agent!r}; these are: {', '.join(agents)}{meant}"
            faults.add(ConfigError(source, problem, key=f"routes.{number}.agent"))
        if row.trunk != "*" and not any(fnmatchcase(trunk.name, row.trunk) for trunk in file.trunks):
            there = ", ".join(trunk.name for trunk in file.trunks) or "none"
            problem = f"no trunk is called {row.trunk!r}; these are: {there}"
            faults.add(ConfigError(source, problem, key=f"routes.{number}.trunk"))
    for key, problem in dial_plan_faults([(row.called, row.trunks) for row in file.dial_plan], trunks):
        faults.add(ConfigError(source, problem, key=key))
    if not file.routes:
        faults.add(ConfigError(source, "is empty: no call would be answered", key="routes"))
    for path, key in (
        (recordings, "recordings"),
        (file.records.file and folder / file.records.file.parent, "records.file"),
    ):
        if path and (problem := unwritable(path)):
            faults.add(ConfigError(source, problem, key=key))
    tls = file.sip.tls and faults.of(partial(_tls, file.sip.tls, folder, source))
    for number, trunk in enumerate(trunks):
        if trunk.has_tls:
            faults.of(partial(_trunk_tls, tls or TlsSettings(), trunk, source, f"trunks.{number}.tls"))
    hold = (
        None
        if file.media.hold_audio is None
        else faults.of(partial(_wav, folder / file.media.hold_audio, source, "media.hold_audio"))
    )
    http = faults.of(partial(http_of, file.http, source, folder, secret("http")))
    delivery = faults.of(partial(_delivery, file, folder, source, lambda row, name, key: secret(row)(name, key)))
    prompts, chat, application, hooks = (
        dict[str, bytes](),
        dict[str, str](),
        dict[str, str](),
        dict[tuple[str, str], str](),
    )
    for agent in (agents or {}).values():
        one = Agents({agent.name: agent})
        prompts |= faults.of(partial(_prompts, one)) or {}
        chat |= faults.of(partial(chat_keys, one)) or {}
        if (asked := agent.definition.application) and asked.secret_env:
            work = partial(_from_environment, agent.source, "application", asked.secret_env, "secret_env")
            application[agent.name] = faults.of(work) or ""
        for name, hook in agent.definition.webhooks.items():
            if hook.secret_env:
                work = partial(_from_environment, agent.source, f"webhooks.{name}", hook.secret_env, "secret_env")
                hooks[agent.name, name] = faults.of(work) or ""
    mcp = tuple(_mcp(name, row, secret(f"mcp.{name}")) for name, row in file.mcp.items())
    faults.tell()
    assert agents is not None
    assert http is not None
    assert delivery is not None
    media, retry_after = file.media, {**RETRY_AFTER, **file.sip.retry_after}
    return Settings(
        sip=fill(
            SipSettings,
            file.sip,
            media_public_host=file.media.public_host,
            also=tuple((one.host, one.port, one.public_host) for one in file.sip.also),
            ignore_unknown_peers=file.sip.unknown_peers == "ignore",
            retry_after=retry_after,
            tls=tls or None,
            trunks=trunks,
        ),
        http=http,
        media=fill(MediaSettings, media, host=media.host or file.sip.host),
        store=StoreSettings(file.redis.url, file.redis.keep_seconds, file.node or gethostname()),
        bridge=fill(
            BridgeSettings,
            media,
            routes=tuple(fill(Route, row) for row in file.routes),
            dial_plan=tuple(fill(DialRule, row) for row in file.dial_plan),
            retry_after=retry_after,
            application_secrets=application,
            recordings=recordings,
            prompts=prompts,
            hold_audio=hold if hold is not None else hold_tune(),
        ),
        agents=agents,
        providers=providers,
        mcp=mcp,
        chat_keys=chat,
        webhook_secrets=hooks,
        delivery=delivery,
        recording_days=file.recordings.keep_days,
        log=file.log,
        drain_seconds=file.drain_seconds,
    )


def chat_keys(agents: Agents) -> dict[str, str]:
    """Of the endpoints that agents of the embedded server think with. Raises ConfigError."""
    keys = {}
    for name, agent in agents.items():
        if (chat := agent.definition.local.chat) and chat.key_env:
            keys[name] = _from_environment(agent.source, "local.chat", chat.key_env, "key_env")
    return keys


def _mcp(name: str, row: McpRow, secret: Callable[[str, str], str]) -> McpSettings:
    return McpSettings(name, row.command, {key: secret(held_by, "env") for key, held_by in row.env.items()}, row.url)


def _delivery(file: _File, folder: Path, source: str, secret: Callable[[str, str, str], str]) -> DeliverySettings:
    try:
        return delivery_of(file.webhooks, file.records, file.delivery_hours, folder, secret)
    except ConfigError as error:
        raise ConfigError(source, error.problem, key=f"{error.source}.{error.key}") from error


def _tls(row: Tls, folder: Path, source: str) -> TlsSettings:
    settings = TlsSettings(
        str(folder / row.certificate),
        str(folder / row.key),
        row.port,
        str(folder / row.ca) if row.ca else "",
        row.client_certificates,
    )
    try:
        settings.check()
    except ConfigError as error:
        raise ConfigError(source, error.problem, key="sip.tls") from error
    return settings


def _trunk_tls(tls: TlsSettings, trunk: Trunk, source: str, key: str) -> None:
    try:
        tls.check(trunk.tls)
    except ConfigError as error:
        raise ConfigError(source, error.problem, key=key) from error


def unwritable(folder: Path) -> str:
    """Why no file can be made in a folder, which is made when it is needed; empty where one can."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    if not there.is_dir():
        return f"{there} is a file, where a folder is wanted"
    if not os.access(there, os.W_OK | os.X_OK) or there.is_relative_to("/proc") or there.is_relative_to("/sys"):
        return f"{folder} cannot be written: {there} belongs to {there.owner()}, or is read-only"
    return ""


def _wav(path: Path, source: str, key: str) -> NDArray[np.int16]:
    try:
        return read_wav(path)
    except OSError as error:
        problem = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(source, problem, key=key) from error
    except ValueError as error:
        raise ConfigError(source, str(error), key=key) from error


def _prompts(agents: Agents) -> dict[str, bytes]:
    """By agent: what is played when no provider is left."""
    named = {name: agent for name, agent in agents.items() if agent.definition.on_provider_failure.play}
    return {
        name: _wav(
            Path(agent.source).parent / agent.definition.on_provider_failure.play,
            agent.source,
            "on_provider_failure.play",
        ).tobytes()
        for name, agent in named.items()
    }


def _from_environment(source: str, row: str, name: str, key: str) -> str:
    """A secret, which `key` of `row` names. Raises ConfigError where it is not there."""
    value = os.environ.get(name, "")
    if not value:
        problem = f"the environment has no {name}, or it is empty; nor is it in .env beside the gateway's file"
        raise ConfigError(source, problem, key=f"{row}.{key}")
    return value
