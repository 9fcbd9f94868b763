"""What is said exactly: named prompts, and who turns text into sound. Values alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from gateway.document import says

EMBEDDED = "local"
"""The voice that comes with the gateway (espeak-ng, of the extra local)."""


@dataclass(frozen=True, slots=True)
class SpeechService:
    """A text-to-speech service: POST `url` as OpenAI's `/v1/audio/speech` takes it. `key` is secret.

    It answers with PCM16 at `hz` samples a second.
    """

    name: str
    url: Annotated[
        str,
        says("where text is sent", "https://api.openai.com/v1/audio/speech", pattern=r"^https?://[^\s]+$"),
    ]
    key: str = field(default="", repr=False)
    model: Annotated[str, says("its model", "gpt-4o-mini-tts")] = ""
    voice: Annotated[str, says("the voice, where a prompt or an agent names none", "marin")] = ""
    hz: Annotated[int, says("samples a second of the PCM that it answers with", ge=8000, le=48000)] = 24000
    seconds: Annotated[float, says("after which the embedded voice says it instead", gt=0, le=60)] = 5.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """One that has a name: a sound file, or text with a voice. `speech` is a service, or `local`."""

    name: str
    text: Annotated[
        str,
        says("what it says; beside a file, for transcripts, and where that cannot be read", "This call is recorded."),
    ] = ""
    file: Annotated[
        Path | None, says("a WAV, FLAC or MP3 with one channel, as seen from the gateway's file", "welcome.wav")
    ] = None
    speech: Annotated[str, says("who speaks the text: a row of `speech`, or `local`, the embedded voice")] = EMBEDDED
    voice: Annotated[str, says("the voice, such as `en-us` or `de` of the embedded one")] = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Text to be made sound, or a prompt by its name; `speech` and `voice` as a prompt has them."""

    text: str = ""
    prompt: str = ""
    speech: str = EMBEDDED
    voice: str = ""


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """`folder` keeps what was made, by its content; without one it is kept in memory alone."""

    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    services: Mapping[str, SpeechService] = field(default_factory=dict)
    folder: Path | None = None


def content_key(service: SpeechService | None, voice: str, text: str) -> str:
    """The name of the same words in the same voice; other settings make another sound, and so another name."""
    whose = [service.url, service.model, service.hz] if service else [EMBEDDED]
    return hashlib.sha256(json.dumps([1, *whose, voice, text]).encode()).hexdigest()
