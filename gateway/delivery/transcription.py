"""What was said in a recording, by a speech-to-text service: POST as OpenAI's `/v1/audio/transcriptions` takes it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx

from gateway.document import says
from gateway.errors import plain

LONGEST_TEXT = 20_000
"""Characters that are kept."""


@dataclass(frozen=True, slots=True)
class TranscriptionService:
    """`key` is secret."""

    name: str
    url: Annotated[
        str,
        says(
            "where recordings are sent", "https://api.openai.com/v1/audio/transcriptions", pattern=r"^https?://[^\s]+$"
        ),
    ]
    key: str = field(default="", repr=False)
    model: Annotated[str, says("its model", "gpt-4o-mini-transcribe")] = ""
    language: Annotated[str, says("of the callers, as ISO 639-1 has it; empty: for the service to find out", "de")] = ""
    seconds: Annotated[float, says("after which there is no transcript", gt=0, le=600)] = 60.0


async def transcribe(service: TranscriptionService, path: Path, client: httpx.AsyncClient) -> str:
    """The words of a WAV. Raises ValueError, which says why there are none; OSError."""
    sound = await asyncio.to_thread(path.read_bytes)
    fields = {"model": service.model, "language": service.language, "response_format": "json"}
    headers = {"Authorization": f"Bearer {service.key}"} if service.key else {}
    try:
        answer = await client.post(
            service.url,
            data={name: value for name, value in fields.items() if value},
            files={"file": (path.name, sound, "audio/wav")},
            headers=headers,
            timeout=service.seconds,
        )
    except httpx.HTTPError as error:
        raise ValueError(f"{service.url}: {plain(error)}") from error
    if answer.status_code != 200:
        raise ValueError(f"{service.url}: {answer.status_code} {answer.text[:200]}")
    try:
        return str(answer.json()["text"]).strip()[:LONGEST_TEXT]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{service.url}: no text in its answer") from error
