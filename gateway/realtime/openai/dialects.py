"""Providers as values: how each spells the connection and the session. Everything else is one session class.

Sources: OpenAI's reference and the models in `openai.types.realtime`; docs.inworld.ai/realtime; docs.x.ai, voice agent
API; learn.microsoft.com, "GPT Realtime API". docs/providers.md says what was tried and what was read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

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
    modalities: tuple[str, ...] = ("audio",)
    voice: str = ""
    speed: float | None = None
    tts_model: str = ""
    turn_detection: dict[str, Any] | None = None
    transcription: dict[str, Any] | None = None
    noise_reduction: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)
    tool_choice: str | dict[str, Any] = "auto"
    temperature: float | None = None
    reasoning: dict[str, Any] | None = None
    max_output_tokens: int | str | None = None
    truncation: str | dict[str, Any] | None = None
    provider_data: dict[str, Any] | None = None


_PLACES: dict[str, str] = {
    "model": "model",
    "instructions": "instructions",
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "tts_model": "audio.output.model",
    "turn_detection": "audio.input.turn_detection",
    "transcription": "audio.input.transcription",
    "noise_reduction": "audio.input.noise_reduction",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "temperature": "temperature",
    "reasoning": "reasoning",
    "max_output_tokens": "max_output_tokens",
    "truncation": "truncation",
    "provider_data": "providerData",
}
"""Of each setting in a session (OpenAI, GA)."""

SETTINGS = frozenset(_PLACES)

_SAID_WHEN_EMPTY = frozenset({"instructions", "turn_detection", "transcription", "tools"})
"""Else a provider's default would stand in their place."""

_ANY_TIME = frozenset({"instructions", "turn_detection", "transcription", "tools", "tool_choice", "max_output_tokens"})
_COMMON = frozenset(_PLACES) - {"model", "temperature", "tts_model", "provider_data", "reasoning", "truncation"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider wants it.

    `auth` is a header with `{key}`; `query` is added to the URL, with `{model}` and `{session}` (a name of ours for the
    session). `takes` names the settings that it knows, `changes` those that may change within a session, `places` where
    it has them other than OpenAI. With `cancels` it has to be told that a response is over when the caller interrupts,
    with `clears` that its audio is; without `truncates` it does not want to know how much was heard. `extra` is sent
    with every session.
    """

    name: str
    auth: str = "Authorization: Bearer {key}"
    query: Mapping[str, str] = field(default_factory=lambda: {"model": "{model}"})
    takes: frozenset[str] = _COMMON | {"reasoning", "truncation"}
    changes: frozenset[str] = _ANY_TIME
    places: Mapping[str, str] = field(default_factory=dict)
    cancels: bool = False
    clears: bool = False
    truncates: bool = True
    modalities: frozenset[tuple[str, ...]] = frozenset({("audio",), ("text",)})
    max_age_seconds: float = 3300.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def headers(self, key: str) -> dict[str, str]:
        name, _, value = self.auth.partition(":")
        return {name.strip(): value.strip().format(key=key)} if key and name else {}

    def url(self, base: str, model: str, session: str = "") -> str:
        """`base` with what this provider wants in its query; a parameter without a value is left out."""
        parts = urlsplit(base)
        known = {"{model}": model, "{session}": session}
        wanted = {name: known.get(value, value) for name, value in self.query.items()}
        own = urlencode({name: value for name, value in wanted.items() if value}, quote_via=quote)
        return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, own)))))

    def session(self, config: SessionConfig, only: Collection[str] | None = None) -> dict[str, Any]:
        """For `session.update`; `only` names the settings that have changed."""
        session: dict[str, Any] = {"type": "realtime"}
        for name, value in _wire(config).items():
            if name not in self.takes or (only is not None and name not in only):
                continue
            if value in (None, "", [], {}) and name not in _SAID_WHEN_EMPTY:
                continue
            _put(session, self.places.get(name) or _PLACES[name], value)
        if only is None:
            for side in ("input", "output"):
                _put(session, f"audio.{side}.format", FORMATS[config.audio][0])
            _merge(session, self.extra)
        return session


def _wire(config: SessionConfig) -> dict[str, Any]:
    """Each setting as it is sent."""
    wire: dict[str, Any] = {name: getattr(config, name) for name in _PLACES}
    wire["modalities"] = list(config.modalities)
    wire["noise_reduction"] = {"type": config.noise_reduction} if config.noise_reduction else None
    return wire


def _put(session: dict[str, Any], place: str, value: Any) -> None:
    *way, last = place.split(".")
    for step in way:
        session = session.setdefault(step, {})
    session[last] = value


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    """What is there already stays."""
    for name, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into.setdefault(name, dict(value) if isinstance(value, Mapping) else value)


OPENAI = Dialect("openai")

DIALECTS: dict[str, Dialect] = {
    "openai": OPENAI,
    "azure": replace(OPENAI, name="azure", auth="api-key: {key}", max_age_seconds=1500.0),
    "inworld": Dialect(
        "inworld",
        auth="Authorization: Basic {key}",
        query={"key": "{session}", "protocol": "realtime"},
        takes=_COMMON | {"model", "tts_model", "temperature", "provider_data"},
        changes=_ANY_TIME | {"model", "voice", "tts_model", "temperature", "speed", "provider_data", "modalities"},
        modalities=frozenset({("audio",), ("text",), ("audio", "text")}),
        clears=True,
        extra={"providerData": {"auto_tool_response": False}},
    ),
    "xai": Dialect(
        "xai",
        takes=(_COMMON | {"reasoning"}) - {"noise_reduction"},
        places={"voice": "voice", "turn_detection": "turn_detection"},
        changes=_ANY_TIME | {"voice"},
        cancels=True,
    ),
}
"""By the name that a provider's `dialect` setting gives."""
