"""The built-in tools as the model sees them, and what any tool is given and answers."""

from __future__ import annotations

import re
from typing import Any

import orjson

from gateway.agents import Agent
from gateway.errors import ToolError

KEYS = re.compile(r"[0-9*#A-Da-d]{1,40}")


HANG_UP = {
    "type": "function",
    "name": "hang_up",
    "description": "End the call. Say goodbye first; the call ends when the caller has heard it.",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}


SENDKEYS = {
    "type": "function",
    "name": "send_digits",
    "description": "Press keys of the telephone, as for a menu that answers the call.",
    "parameters": {
        "type": "object",
        "properties": {"digits": {"type": "string", "description": "The keys: 0-9, * and #."}},
        "required": ["digits"],
        "additionalProperties": False,
    },
}


RECORDING = {
    "type": "function",
    "name": "recording",
    "description": "Record the call, or not. Pause while card numbers or other secrets are said.",
    "parameters": {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": ["start", "pause", "resume", "stop"]}},
        "required": ["action"],
        "additionalProperties": False,
    },
}


HOLD = {
    "type": "function",
    "name": "hold",
    "description": "Put the caller on hold, where they hear music and are not listened to, or take them back.",
    "parameters": {
        "type": "object",
        "properties": {"on": {"type": "boolean", "description": "Whether they are to be on hold."}},
        "required": ["on"],
        "additionalProperties": False,
    },
}


COLLECTKEYS = {
    "type": "function",
    "name": "collect_digits",
    "description": "Wait for keys that the caller presses, such as a number. Ask for them first. Ends with #, when "
    "there are enough, or when none comes for a while.",
    "parameters": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What they are, such as account or card."},
            "max_digits": {"type": "integer", "minimum": 1, "maximum": 40},
            "secret": {"type": "boolean", "description": "You are told only how many there are and the last four."},
        },
        "required": ["name", "max_digits"],
        "additionalProperties": False,
    },
}


def set_disposition(dispositions: list[str]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": "set_disposition",
        "description": "Note what came of the call.",
        "parameters": {
            "type": "object",
            "properties": {"disposition": {"type": "string", "enum": dispositions}, "note": {"type": "string"}},
            "required": ["disposition"],
            "additionalProperties": False,
        },
    }


def update_agent(agents: list[str]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": "update_agent",
        "description": "Let a colleague go on with the conversation, who knows all that was said.",
        "parameters": {
            "type": "object",
            "properties": {"agent": {"type": "string", "enum": agents}},
            "required": ["agent"],
            "additionalProperties": False,
        },
    }


def transfer_call(targets: list[str], attended: bool) -> dict[str, Any]:
    target = {"type": "string", "enum": targets, "description": "Who is to talk with the caller."}
    summary = {"type": "string", "description": "What whoever picks up is told before they are put through."}
    return {
        "type": "function",
        "name": "transfer_call",
        "description": "Put the caller through to somebody else. Say so first; the transfer follows your words.",
        "parameters": {
            "type": "object",
            "properties": {"target": target, **({"summary": summary} if attended else {})},
            "required": ["target", *(["summary"] if attended else [])],
            "additionalProperties": False,
        },
    }


def definitions(agent: Agent) -> list[dict[str, Any]]:
    """The tools of an agent, in the order of its file, as `session.tools` wants them."""
    definition = agent.definition
    transfer = transfer_call(list(definition.transfer_targets), definition.transfer == "attended")
    fixed = {str(one["name"]): one for one in (HANG_UP, SENDKEYS, RECORDING, HOLD, COLLECTKEYS)}
    of_agent = transfer, set_disposition(list(definition.dispositions)), update_agent(list(definition.update_agent))
    built_in = fixed | {str(one["name"]): one for one in of_agent}
    return [built_in.get(name) or agent.tools[name].definition for name in agent.definition.tools]


def arguments_of(tool: str, text: str) -> dict[str, Any]:
    """Arguments as the model wrote them. Raises ToolError."""
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolError(tool, f"the arguments are not valid JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ToolError(tool, "the arguments are not a JSON object")
    return arguments


def digits_of(tool: str, text: str) -> str:
    """The keys that `send_digits` is to press. Raises ToolError."""
    digits = arguments_of(tool, text).get("digits")
    if not isinstance(digits, str) or not KEYS.fullmatch(digits):
        raise ToolError(tool, "digits has to be a text of 1 to 40 keys: 0-9 * # A-D")
    return digits


def output_of(value: Any) -> str:
    """What the model gets: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def failure(problem: str) -> str:
    return output_of({"error": problem})
