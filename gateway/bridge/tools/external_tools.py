"""Adds to agents the tools that run outside of the gateway: webhooks and MCP servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import httpx

from gateway.agents import BUILT_IN, Agent, Agents, AnyTool
from gateway.bridge.tools.webhook_tool import WebhookTool
from gateway.errors import ConfigError


@dataclass(frozen=True, slots=True)
class McpSettings:
    """Either a `command` to start, with `env` added to the environment, or a `url` (streamable HTTP)."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""


def with_tools(
    agents: Mapping[str, Agent],
    secrets: Mapping[tuple[str, str], str],
    client: httpx.AsyncClient,
    servers: Mapping[str, list[AnyTool]],
) -> Agents:
    """`secrets` by agent and webhook, `servers` the tools of each. Raises ConfigError for what there is not."""
    return Agents({name: _equipped(agent, secrets, client, servers) for name, agent in agents.items()})


def _equipped(
    agent: Agent,
    secrets: Mapping[tuple[str, str], str],
    client: httpx.AsyncClient,
    servers: Mapping[str, list[AnyTool]],
) -> Agent:
    known: dict[str, AnyTool] = dict(agent.tools)
    for name, row in agent.definition.webhooks.items():
        try:
            known[name] = WebhookTool(name, row, secrets.get((agent.name, name), ""), client)
        except ValueError as error:
            raise ConfigError(agent.source, f"the secret is not base64: {error}", key=f"webhooks.{name}") from error
    for server in agent.definition.mcp:
        if server not in servers:
            raise ConfigError(agent.source, f"the gateway's file has no MCP server {server!r}", key="mcp")
        known |= {tool.name: tool for tool in servers[server]}
    names: list[str] = []
    for wanted in agent.definition.tools:
        found = [wanted] if wanted in BUILT_IN else [name for name in known if fnmatchcase(name, wanted)]
        if not found:
            raise ConfigError(agent.source, f"there is no tool {wanted!r}; these are: {', '.join(known)}", key="tools")
        names += [name for name in found if name not in names]
    if (lookup := agent.definition.lookup) and lookup.tool not in known:
        problem = f"there is no tool {lookup.tool!r}; these are: {', '.join(known)}"
        raise ConfigError(agent.source, problem, key="lookup")
    used = (*names, *([lookup.tool] if lookup else []))
    tools = {name: known[name] for name in used if name in known}
    return replace(agent, tools=tools, definition=agent.definition.model_copy(update={"tools": tuple(names)}))
