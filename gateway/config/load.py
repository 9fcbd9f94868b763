"""One file and the environment become the settings of every package. The only reader of the environment.

`GATEWAY_SIP_PORT=5070` overrides `sip.port`, and so on: the prefix, the section, the key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from socket import gethostname
from typing import Any, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    ValidationError,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from gateway.agents import BUNDLED, AfterRules, Agents, load_agents
from gateway.bridge import VOICEMAIL, BridgeSettings, DialPlan, DialRule, McpSettings, Route
from gateway.codecs import hold_tune, read_wav
from gateway.config.agent_checks import check_agents
from gateway.config.delivery import DeliverySettings, delivery_of
from gateway.config.dotenv import read_dotenv
from gateway.config.gateway_file import PREFIX, GatewayFile, Log, McpRow, Tls
from gateway.config.hours import hours_of
from gateway.config.http import HttpSettings, http_of
from gateway.config.menus import Known, check_routes, check_targets, goals_of, places_of, voicemail_of
from gateway.config.prompts import check_spoken, prompts_of
from gateway.config.providers import provider_of, wanted
from gateway.config.sip import dial_plan_faults, overlapping, trunk_of
from gateway.delivery import AfterSettings, VoicemailSettings
from gateway.document import Faults, explain, explained, fill, load, place, read
from gateway.errors import ConfigError
from gateway.outcomes import RETRY_AFTER
from gateway.prompts import PromptSettings
from gateway.realtime import Provider
from gateway.rtp import MediaSettings
from gateway.sip import SipSettings, TlsSettings, Trunk
from gateway.store import StoreSettings

EMBEDDED = "local"
"""The provider that comes with the gateway."""


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
    prompts: PromptSettings
    mcp: tuple[McpSettings, ...]
    webhook_secrets: dict[tuple[str, str], str] = field(repr=False)
    after: AfterSettings
    chat_keys: dict[str, str] = field(repr=False)
    delivery: DeliverySettings
    voicemail: VoicemailSettings
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
            load(str(path), text, lambda data: _build(data, overrides or {}), GatewayFile), str(path), path.parent
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
        raise explained(error, "the settings", GatewayFile) from error


def warnings_of(settings: Settings) -> list[str]:
    """What is allowed, and may not be meant."""
    found = [settings.open_to_all] if settings.open_to_all else []
    for name, agent in settings.agents.items():
        definition = agent.definition
        provider = settings.providers.get(definition.provider)
        if provider and not definition.model and "{model}" in provider.dialect.query.values():
            found.append(f"the agent {name} names no model: {provider.name} is asked for none")
    found += overlapping(settings.sip.trunks)
    routes = settings.bridge.routes
    for number, route in enumerate(routes):
        if earlier := next((one for one in routes[:number] if one.covers(route)), None):
            found.append(
                f"routes.{number} ({route.called} to {route.to}) is never reached: "
                f"{earlier.called} to {earlier.to} stands before it"
            )
    plan = DialPlan(settings.bridge.dial_plan)
    for key, to in goals_of(settings.bridge.places) if plan.rules else ():
        if to.kind == "tel" and not to.trunk and not plan.trunks_for(to.name):
            found.append(f"{key}: {to} fits no row of dial_plan: it is called by the caller's trunk")
    if not any(route.to.kind != "agent" or route.to.name in settings.agents for route in routes):
        found.append("no route leads to an agent")
    return found


def _build(data: dict[str, Any], overrides: dict[str, Any]) -> GatewayFile:
    """Overrides stand above the environment, and that above the file. Raises ValidationError, ConfigError."""

    class Layered(GatewayFile):
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
    except SettingsError as error:
        problem = 'is no JSON: lists and mappings are written so there, such as ["G722", "PCMA"]'
        raise ConfigError(_not_json(), problem) from error
    except ValidationError as error:
        for one in error.errors():
            variable = PREFIX + "_".join(str(step) for step in one["loc"]).upper()
            if variable in os.environ:
                raise ConfigError(variable, explain(one)) from error
        raise


def _not_json() -> str:
    """The variable of ours whose key wants a list, a mapping or a section, and that holds something else."""
    for variable, value in sorted(os.environ.items()):
        section, key = variable.removeprefix(PREFIX).lower(), ""
        if section not in GatewayFile.model_fields:
            section, _, key = section.partition("_")
        if not variable.startswith(PREFIX) or section not in GatewayFile.model_fields:
            continue
        wanted: Any = GatewayFile.model_fields[section].annotation
        if key:
            fields = getattr(wanted, "model_fields", {})
            wanted = fields[key].annotation if key in fields else str
        if get_origin(wanted) in (tuple, dict) or hasattr(wanted, "model_fields"):
            try:
                json.loads(value)
            except ValueError:
                return variable
    return f"{PREFIX}*"


def _settings(file: GatewayFile, source: str, folder: Path) -> Settings:
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
        if agents is not None and row.goal.kind == "agent" and (name := row.goal.name) not in agents:
            near = get_close_matches(name, agents, 1)
            meant = f"; did you mean {near[0]}?" if near else ""
            problem = f"there is no agent {name!r}; these are: {', '.join(agents)}{meant}"
            faults.add(ConfigError(source, problem, key=f"routes.{number}.{'agent' if row.agent else 'to'}"))
        if row.trunk != "*" and not any(fnmatchcase(trunk.name, row.trunk) for trunk in file.trunks):
            there = ", ".join(trunk.name for trunk in file.trunks) or "none"
            problem = f"no trunk is called {row.trunk!r}; these are: {there}"
            faults.add(ConfigError(source, problem, key=f"routes.{number}.trunk"))
    calendars = faults.of(partial(hours_of, file.hours, source)) or {}
    for number, row in enumerate(file.routes):
        if (name := row.hours.removeprefix("!")) and name not in file.hours:
            there = ", ".join(file.hours) or "none"
            problem = f"there are no hours {name!r}; these are: {there}"
            faults.add(ConfigError(source, problem, key=f"routes.{number}.hours"))
    for key, problem in dial_plan_faults([(row.called, row.trunks) for row in file.dial_plan], trunks):
        faults.add(ConfigError(source, problem, key=key))
    if not file.routes:
        faults.add(ConfigError(source, "is empty: no call would be answered", key="routes"))
    for path, key in (
        (recordings, "recordings"),
        (file.prompt_folder and folder / file.prompt_folder, "prompt_folder"),
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
    after_rules, after_keys = dict[str, AfterRules](), dict[str, str]()
    for agent in (agents or {}).values():
        one = Agents({agent.name: agent})
        prompts |= faults.of(partial(_prompts, one)) or {}
        chat |= faults.of(partial(chat_keys, one)) or {}
        if after := agent.definition.after:
            after_rules[agent.name] = after
        if after and after.chat.key_env:
            work = partial(_from_environment, agent.source, "after.chat", after.chat.key_env, "key_env")
            after_keys[agent.name] = faults.of(work) or ""
        if (asked := agent.definition.application) and asked.secret_env:
            work = partial(_from_environment, agent.source, "application", asked.secret_env, "secret_env")
            application[agent.name] = faults.of(work) or ""
        for name, hook in agent.definition.webhooks.items():
            if hook.secret_env:
                work = partial(_from_environment, agent.source, f"webhooks.{name}", hook.secret_env, "secret_env")
                hooks[agent.name, name] = faults.of(work) or ""
    said = faults.of(
        partial(
            prompts_of,
            file.speech,
            file.prompts,
            file.prompt_folder,
            folder,
            source,
            lambda row, name, key: secret(row)(name, key),
        )
    )
    if said and agents is not None:
        faults.of(partial(check_spoken, agents, said))
    routes = tuple(fill(Route, row, to=row.goal) for row in file.routes)
    known_names = Known(tuple(agents or ()), tuple(trunk.name for trunk in trunks))
    places = None
    if said and agents is not None:
        wanted_places = partial(places_of, file.menus, file.voicemail, file.hours, known_names, said)
        places = faults.of(partial(wanted_places, recordings is not None, source))
    voicemail = faults.of(
        partial(
            voicemail_of,
            recordings and recordings / VOICEMAIL,
            file.voicemail,
            file.transcription,
            file.mail,
            file.delivery_hours,
            lambda row, name, key: secret(row)(name, key),
            source,
        )
    )
    if places and agents is not None:
        faults.of(partial(check_routes, routes, places, known_names, source))
        faults.of(partial(check_targets, agents, places, known_names))
    mcp = tuple(_mcp(name, row, secret(f"mcp.{name}")) for name, row in file.mcp.items())
    faults.tell()
    assert agents is not None
    assert http is not None
    assert delivery is not None
    assert said is not None
    assert places is not None
    assert voicemail is not None
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
            routes=routes,
            hours=calendars,
            places=places,
            dial_plan=tuple(fill(DialRule, row) for row in file.dial_plan),
            retry_after=retry_after,
            application_secrets=application,
            recordings=recordings,
            prompts=prompts,
            hold_audio=hold if hold is not None else hold_tune(),
        ),
        agents=agents,
        providers=providers,
        prompts=said,
        mcp=mcp,
        chat_keys=chat,
        after=AfterSettings(after_rules, after_keys),
        webhook_secrets=hooks,
        delivery=delivery,
        voicemail=voicemail,
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


def _delivery(file: GatewayFile, folder: Path, source: str, secret: Callable[[str, str, str], str]) -> DeliverySettings:
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
