"""Where a telephone meets an agent. This is the room's door."""

from gateway.bridge.briefing import choices
from gateway.bridge.call import Call
from gateway.bridge.equip import McpSettings, with_tools
from gateway.bridge.facts import CallFacts
from gateway.bridge.line import DialOrder
from gateway.bridge.reasons import REASONS, Reason, reason_of
from gateway.bridge.router import Route, Router
from gateway.bridge.switchboard import BridgeSettings, Switchboard
from gateway.bridge.tools import running_tools

__all__ = [
    "REASONS",
    "BridgeSettings",
    "Call",
    "CallFacts",
    "DialOrder",
    "McpSettings",
    "Reason",
    "Route",
    "Router",
    "Switchboard",
    "choices",
    "reason_of",
    "running_tools",
    "with_tools",
]
