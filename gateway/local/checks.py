"""What clients send, checked: events, and the session that an update would make. Errors have the reference's codes."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.local.audio import FORMATS, format_of
from gateway.local.detector import PATIENCE_MS


class EventError(Exception):
    """A client event that is answered by an `error` event; nothing of it was applied."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.param = code, message, param


def decode(text: str | bytes) -> dict[str, Any]:
    """One event. Raises EventError."""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise EventError("invalid_json", f"The event is not valid JSON: {error}.") from error
    if not isinstance(event, dict):
        raise EventError("invalid_type", "The event is not a JSON object.")
    return event


def need(fields: dict[str, Any], name: str, kind: type, param: str = "") -> Any:
    """A field that has to be there, of that type. Raises EventError, which names `param`."""
    value = fields.get(name)
    param = param or name
    if value is None:
        raise EventError("missing_required_parameter", f"Missing required parameter: {param!r}.", param)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise EventError("invalid_type", f"Invalid type for {param!r}: expected {kind.__name__}.", param)
    return value


def merge(into: dict[str, Any], change: dict[str, Any]) -> None:
    """Only what is named changes; objects of the session's own shape are merged, others replaced."""
    for key, value in change.items():
        if key in ("audio", "input", "output") and isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def invalid_format(param: str) -> EventError:
    supported = ", ".join(repr(name) for name in FORMATS)
    return EventError("invalid_value", f"Invalid format. Supported: {supported}; audio/pcm at 24000 Hz.", param)


def validate(config: dict[str, Any]) -> None:
    """A whole session as `session.updated` would show it. Raises EventError."""
    for side in ("input", "output"):
        if format_of(config["audio"][side].get("format")) is None:
            raise invalid_format(f"session.audio.{side}.format")
    detection = config["audio"]["input"]["turn_detection"]
    where = "session.audio.input.turn_detection"
    if detection is not None:
        if not isinstance(detection, dict) or detection.get("type") not in ("server_vad", "semantic_vad"):
            raise EventError(
                "invalid_value", "Supported values are: 'server_vad', 'semantic_vad' and null.", f"{where}.type"
            )
        for name, lowest, highest in (
            ("threshold", 0.0, 1.0), ("prefix_padding_ms", 0, 5000), ("silence_duration_ms", 0, 10000),
            ("idle_timeout_ms", 5000, 30000),
        ):  # fmt: skip
            value = detection.get(name)
            if value is not None and not (isinstance(value, int | float) and lowest <= value <= highest):
                raise EventError("invalid_value", f"Expected a number from {lowest} to {highest}.", f"{where}.{name}")
        if detection.get("eagerness", "auto") not in PATIENCE_MS:
            raise EventError("invalid_value", f"Supported values are: {', '.join(PATIENCE_MS)}.", f"{where}.eagerness")
    if not isinstance(config["instructions"], str):
        raise EventError("invalid_type", "Invalid type: expected a string.", "session.instructions")
    if config["output_modalities"] not in (["audio"], ["text"]):
        raise EventError("invalid_value", "Supported values are: ['audio'], ['text'].", "session.output_modalities")
    speed = config["audio"]["output"].get("speed", 1.0)
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 1.5:
        raise EventError("invalid_value", "Expected a number from 0.25 to 1.5.", "session.audio.output.speed")
    tools = config["tools"]
    if not isinstance(tools, list):
        raise EventError("invalid_type", "Invalid type: expected a list.", "session.tools")
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or tool.get("type") != "function":
            raise EventError("invalid_value", "Expected a function with a name.", f"session.tools[{number}]")
