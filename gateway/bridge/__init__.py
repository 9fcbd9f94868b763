"""Where a telephone meets an agent. This is the package's public interface."""

from gateway.bridge.call.call import Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call_runner import OutboundCall
from gateway.bridge.dial_plan import DialPlan, DialRule, by_price
from gateway.bridge.legs.negotiation import Negotiation
from gateway.bridge.media.recorder import VOICEMAIL
from gateway.bridge.places import HANG_UP, Fork, Mailbox, Menu, Places
from gateway.bridge.reasons import REASONS, Reason, reason_of
from gateway.bridge.resources import BridgeSettings
from gateway.bridge.router import Route, Router
from gateway.bridge.session_config import choices
from gateway.bridge.switchboard import Switchboard, offer_of
from gateway.bridge.tools.external_tools import McpSettings, with_tools
from gateway.bridge.tools.runner import running_tools

__all__ = [
    "HANG_UP",
    "REASONS",
    "VOICEMAIL",
    "BridgeSettings",
    "Call",
    "CallInfo",
    "DialPlan",
    "DialRule",
    "Fork",
    "Mailbox",
    "McpSettings",
    "Menu",
    "Negotiation",
    "OutboundCall",
    "Places",
    "Reason",
    "Route",
    "Router",
    "Switchboard",
    "by_price",
    "choices",
    "offer_of",
    "reason_of",
    "running_tools",
    "with_tools",
]
