"""Providers as values: how each spells the connection and the session. Everything else is one session class.

Source of the OpenAI row: the provider's reference and the models in `openai.types.realtime`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

FORMATS: dict[str, tuple[dict[str, Any], int]] = {
    "audio/pcm": ({"type": "audio/pcm", "rate": 24000}, 48),
    "audio/pcmu": ({"type": "audio/pcmu"}, 8),
    "audio/pcma": ({"type": "audio/pcma"}, 8),
}
"""How audio travels, both ways: as a session says it, and bytes per ms."""
MAX_FRAME = 16 * 1024 * 1024  # bytes of one WebSocket message


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What an agent wants of its session, in no provider's spelling. Empty or None: the provider's own default."""

    audio: str = "audio/pcm"
    model: str = ""
    instructions: str = ""
    voice: str = ""
    speed: float | None = None
    turn_detection: dict[str, Any] | None = None
    transcription: dict[str, Any] | None = None
    noise_reduction: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | dict[str, Any] = "auto"
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider wants it."""

    name: str
    headers: Callable[[str], dict[str, str]]  # of the API key
    session: Callable[[SessionConfig], dict[str, Any]]

    def url(self, base: str, model: str) -> str:
        """`base` with the model in its query."""
        parts = urlsplit(base)
        query = "&".join(filter(None, (parts.query, urlencode({"model": model}) if model else "")))
        return urlunsplit(parts._replace(query=query))


def _openai_headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def _openai_session(config: SessionConfig) -> dict[str, Any]:
    audio_input: dict[str, Any] = {
        "format": FORMATS[config.audio][0],
        "turn_detection": config.turn_detection,
        "transcription": config.transcription,
    }
    if config.noise_reduction:
        audio_input["noise_reduction"] = {"type": config.noise_reduction}
    audio_output: dict[str, Any] = {"format": FORMATS[config.audio][0]}
    if config.voice:
        audio_output["voice"] = config.voice
    if config.speed is not None:
        audio_output["speed"] = config.speed
    session: dict[str, Any] = {
        "type": "realtime",
        "instructions": config.instructions,
        "output_modalities": ["audio"],
        "audio": {"input": audio_input, "output": audio_output},
        "tools": config.tools,
        "tool_choice": config.tool_choice,
    }
    if config.max_output_tokens is not None:
        session["max_output_tokens"] = config.max_output_tokens
    return session


DIALECTS = {"openai": Dialect("openai", _openai_headers, _openai_session)}
"""By the name that a provider's `dialect` setting gives."""
