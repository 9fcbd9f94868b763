"""Finds agents: every NAME.yaml of a folder, with the tools of the NAME.py beside it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from gateway.document import Faults, explain, load, read
from gateway.errors import ConfigError

from .definition import AgentDefinition
from .registry import AnyTool, Tool, describe, is_tool

BUNDLED = Path(__file__).parent
"""The agents that come with the gateway."""

BUILT_IN = frozenset(
    {
        "collect_digits",
        "hang_up",
        "hold",
        "recording",
        "send_digits",
        "set_disposition",
        "transfer_call",
        "update_agent",
    }
)
"""Tools that the gateway itself carries out."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A definition with its name and its own tools."""

    name: str
    source: str
    definition: AgentDefinition
    tools: Mapping[str, AnyTool]


class Agents(Mapping[str, Agent]):
    """Agents by name."""

    def __init__(self, agents: dict[str, Agent]) -> None:
        self._agents = agents

    def __getitem__(self, name: str) -> Agent:
        return self._agents[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._agents)

    def __len__(self) -> int:
        return len(self._agents)


def load_agents(folder: Path) -> Agents:
    """Raises ConfigError."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigError(str(folder), "there is no agent in it; one is a file such as receptionist.yaml")
    faults = Faults()
    found = {path.stem: faults.of(partial(load_agent, path)) for path in files}
    faults.tell()
    return Agents({name: agent for name, agent in found.items() if agent})


CHANGES = frozenset(AgentDefinition.model_fields) - {
    "answer_within_seconds",
    "after",
    "application",
    "lookup",
    "audio",
    "failover",
    "local",
    "max_calls",
    "max_seconds",
    "mcp",
    "provider",
    "rules",
    "variants",
    "webhooks",
    "on_provider_failure",
}
"""What of an agent may change within a call: not what was settled when the call or the gateway began."""


def with_changes(agent: Agent, changes: Mapping[str, Any]) -> Agent:
    """The agent with other settings. Raises ConfigError."""
    if unknown := sorted(set(changes) - CHANGES):
        known = ", ".join(sorted(CHANGES))
        raise ConfigError("the update", f"cannot be changed within a call; these can: {known}", key=unknown[0])
    whole = agent.definition.model_dump(exclude_unset=True) | dict(changes)
    try:
        definition = AgentDefinition.model_validate(whole)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError("the update", explain(first), key=".".join(map(str, first["loc"]))) from error
    for name in definition.tools:
        if name not in agent.tools and name not in BUILT_IN:
            known = ", ".join(sorted(BUILT_IN | set(agent.tools)))
            raise ConfigError("the update", f"there is no tool {name!r}; these are: {known}", key="tools")
    return replace(agent, definition=definition)


def load_agent(path: Path) -> Agent:
    """Raises ConfigError."""
    text, beside = read(path), path.with_suffix(".py")
    definition = load(str(path), text, AgentDefinition.model_validate, AgentDefinition)
    functions = _tools_of(beside) if beside.exists() else {}
    faults = Faults()
    used = (*definition.tools, *([definition.lookup.tool] if definition.lookup else []))
    for name in used:
        from_server = any(name.startswith(f"{server}_") for server in definition.mcp)
        if name not in functions and name not in BUILT_IN and name not in definition.webhooks and not from_server:
            known = ", ".join(sorted(BUILT_IN | set(functions) | set(definition.webhooks)))
            problem = f"there is no tool {name!r}; these are: {known}"
            faults.add(ConfigError(str(path), problem, line=_line_of_word(text, name), key="tools"))
    if "transfer_call" in definition.tools and not definition.transfer_targets:
        faults.add(ConfigError(str(path), "transfer_call needs at least one target", key="transfer_targets"))
    for tool, needed in (("set_disposition", "dispositions"), ("update_agent", "update_agent")):
        if tool in definition.tools and not getattr(definition, needed):
            faults.add(ConfigError(str(path), f"{tool} needs at least one row", key=needed))
    faults.tell()
    own: dict[str, AnyTool] = {name: functions[name] for name in used if name in functions}
    return Agent(path.stem, str(path), definition, own)


def _tools_of(path: Path) -> dict[str, Tool]:
    try:
        module = _import(path)
        return {name: describe(value) for name, value in vars(module).items() if is_tool(value)}
    except Exception as error:  # whatever the file does wrong, it is the file that is to be named
        raise ConfigError(str(path), f"{type(error).__name__}: {error}") from error


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"gateway_agent_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _line_of_word(text: str, word: str) -> int:
    return next((number for number, line in enumerate(text.splitlines(), 1) if word in line), 0)
