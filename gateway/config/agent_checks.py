"""What agents' files name that stands elsewhere: providers and what they know, each other, folders."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit

from gateway.agents import Agent, Agents, with_changes
from gateway.config.providers import wanted
from gateway.document import Faults
from gateway.errors import ConfigError
from gateway.realtime import SETTINGS, Provider

WANT_A_MODEL = (".openai.com", ".azure.com", ".x.ai")
"""Hosts that take no session without a model."""


def check_agents(agents: Agents, providers: Mapping[str, Provider], recordings: bool) -> None:
    """`recordings`: whether there is a folder for them. Raises ConfigError, which names the file and its key."""
    faults = Faults()
    for agent in agents.values():
        faults.of(partial(_check_provider, agent, providers))
        for other in agent.definition.update_agent:
            faults.of(partial(_find, agents, other, agent, "update_agent"))
        faults.of(partial(_check_rules, agent, agents))
        if agent.definition.recording.start == "answer" and not recordings:
            problem = "the gateway's file names no folder for it: set recordings"
            faults.add(ConfigError(agent.source, problem, key="recording"))
    faults.tell()


def _check_provider(agent: Agent, providers: Mapping[str, Provider]) -> None:
    """There is each, and the first knows the agent's settings."""
    for key, name in wanted(agent.definition).items():
        if name not in providers:
            known = ", ".join(providers)
            raise ConfigError(agent.source, f"there is no provider {name!r}; these are: {known}", key=key)
    faults = Faults()
    choices: list[tuple[str, str, str | None]] = [("", agent.definition.provider, agent.definition.model)]
    choices += [(f"failover.{n}.", one.provider, one.model) for n, one in enumerate(agent.definition.failover)]
    for where, name, model in choices:
        host = urlsplit(providers[name].url).hostname or ""
        if not model and host.endswith(WANT_A_MODEL):
            problem = f"is missing: provider {name!r} wants to know which, such as gpt-realtime"
            faults.add(ConfigError(agent.source, problem, key=f"{where}model"))
    first = agent.definition.provider
    dialect = providers[first].dialect
    for name in sorted(agent.definition.model_fields_set & SETTINGS - {"model", *dialect.takes}):
        problem = f"provider {first!r} (dialect {dialect.name}) has no such setting"
        faults.add(ConfigError(agent.source, problem, key=name))
    faults.tell()


def _check_rules(agent: Agent, agents: Agents) -> None:
    """What they would do can be done; of tools only the gateway knows, once it has asked the MCP servers."""
    for number, rule in enumerate(agent.definition.rules):
        key = f"rules.{number}"
        whose = _find(agents, rule.agent, agent, key) if rule.agent else agent
        try:
            with_changes(whose, {name: value for name, value in rule.settings.items() if name != "tools"})
        except ConfigError as error:
            raise ConfigError(agent.source, f"{error.key}: {error.problem}", key=f"{key}.settings") from error


def _find(agents: Agents, name: str, agent: Agent, key: str) -> Agent:
    if name not in agents:
        raise ConfigError(agent.source, f"there is no agent {name!r}; these are: {', '.join(agents)}", key=key)
    return agents[name]
