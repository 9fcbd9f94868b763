"""Agents: their definitions and their tools. Imported as `gateway.agents`. This is the package's public interface."""

from __future__ import annotations

from .definition import (
    AfterRules,
    AgentDefinition,
    BargeInRules,
    ConsentRules,
    Exactly,
    Prompted,
    RecordingRules,
    RuleRow,
    Spoken,
    WebhookRow,
    expand,
    variables_in,
)
from .loader import BUILT_IN, BUNDLED, Agent, Agents, load_agent, load_agents, with_changes
from .registry import AnyTool, CallContext, Tool, tool

__all__ = [
    "BUILT_IN",
    "BUNDLED",
    "AfterRules",
    "Agent",
    "AgentDefinition",
    "Agents",
    "AnyTool",
    "BargeInRules",
    "CallContext",
    "ConsentRules",
    "Exactly",
    "Prompted",
    "RecordingRules",
    "RuleRow",
    "Spoken",
    "Tool",
    "WebhookRow",
    "expand",
    "load_agent",
    "load_agents",
    "tool",
    "variables_in",
    "with_changes",
]
