"""What clients send, made one: errors with the reference's codes, and sessions in the reference's one spelling."""

from __future__ import annotations

from typing import Any

from gateway.local.audio import FORMATS, format_of


class EventError(Exception):
    """A client event that is answered by an `error` event; nothing of it was applied."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(code, message)
        self.code, self.message, self.param = code, message, param


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


_OLD_FORMATS: dict[str, dict[str, Any]] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
"""As the beta named them."""

_PLACES = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Where settings stand that the beta, Inworld or xAI have at the top."""


def in_one_spelling(given: dict[str, Any]) -> dict[str, Any]:
    """A session or the parameters of a response as the reference has them now (GA)."""
    result: dict[str, Any] = {}
    for key, value in given.items():
        way = _PLACES.get(key, (key,))
        change: Any = value
        for step in reversed(way):
            change = {step: change}
        merge(result, change)
    for side in ("input", "output"):
        part = (result.get("audio") or {}).get(side)
        if isinstance(part, dict) and isinstance(named := part.get("format"), str):
            part["format"] = _OLD_FORMATS.get(named, {"type": named})
        if isinstance(part, dict) and isinstance(voice := part.get("voice"), dict):
            part["voice"] = voice["id"]
    return result


def check_formats(config: dict[str, Any]) -> None:
    """Of a whole session, as `session.updated` would show it. Raises EventError."""
    for side in ("input", "output"):
        if side in config["audio"] and format_of(config["audio"][side].get("format")) is None:
            raise invalid_format(f"session.audio.{side}.format")
