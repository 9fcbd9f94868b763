"""Words as sound: made once, kept by their content in memory and in a folder, and never missing.

A service that fails is followed by the embedded voice. This is the package's edge: it waits for services and disks.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.errors import BadCommand, ConfigError, GatewayError, plain
from gateway.prompts.files import HZ, read_sound
from gateway.prompts.settings import EMBEDDED, PromptSettings, SpeechService, Words, content_key

log = structlog.get_logger("gateway.prompts")

MOST_BYTES = 200_000_000
"""Of sound in memory: an hour and more; what was used longest ago goes first."""

AGAIN_SECONDS = 30.0
"""A service that failed is not asked again before, so that callers do not wait for it one by one."""

LONGEST_BYTES = 30 * 60 * 48_000
"""Of one answer of a service: half an hour; more is refused."""


@dataclass(frozen=True, slots=True)
class Sound:
    """PCM16, mono, 24 kHz. `source` is file, speech or local; `problem` says why it is not what was asked for."""

    pcm: bytes
    text: str
    source: str
    problem: str = ""


Speak = Callable[[str, str], bytes]
"""The embedded voice: text and voice to PCM16 at 24 kHz. Not for several threads at once."""


def embedded_voice(text: str, voice: str) -> bytes:
    """Raises ConfigError where it is not installed."""
    from gateway.local.mouth import mouth

    return mouth().speak(text, voice or "en-us", hz=HZ).tobytes()


class Library:
    """One node's. `speak` is the embedded voice."""

    def __init__(self, settings: PromptSettings, speak: Speak = embedded_voice) -> None:
        self._settings, self._speak = settings, speak
        self._kept: OrderedDict[str, Sound] = OrderedDict()
        self._bytes = 0
        self._making: dict[str, asyncio.Task[Sound]] = {}
        self._silent_until: dict[str, float] = {}  # services that failed
        self._thread = ThreadPoolExecutor(1, "voice")
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        for task in list(self._making.values()):
            task.cancel()
        if self._http:
            await self._http.aclose()
        await asyncio.to_thread(self._thread.shutdown)

    def use(self, settings: PromptSettings) -> None:
        """Other prompts and services from now on; what was made is kept as long as it is the same."""
        self._settings = settings
        self._forget([key for key in self._kept if key.startswith("file:")])

    def check(self, prompt: str) -> None:
        """Raises BadCommand where there is none of the name."""
        if prompt not in (known := self._settings.prompts):
            raise BadCommand("prompt", f"there is no prompt {prompt!r}; these are: {', '.join(known) or 'none'}")

    async def prepare(self, wanted: Iterable[Words]) -> None:
        """Make what has no variable in it before anybody calls. What cannot be made is logged, and tried again then."""
        for words in wanted:
            try:
                await self.sound(words)
            except GatewayError as error:
                log.warning("prompts.not_made", problem=str(error))

    def ready(self, words: Words) -> Sound | None:
        """What is in memory already."""
        key, _, _ = self._key(words)
        found = self._kept.get(key)
        if found:
            self._kept.move_to_end(key)
        return found

    async def sound(self, words: Words) -> Sound:
        """Several that want the same wait for one. Raises ConfigError where not even the embedded voice is there;
        BadCommand for a prompt that a reload has taken away.
        """
        if words.prompt:
            self.check(words.prompt)
        if found := self.ready(words):
            return found
        key, words, path = self._key(words)
        task = self._making.get(key)
        if task is None:
            task = self._making[key] = asyncio.get_running_loop().create_task(self._make(key, words, path))
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    def _key(self, words: Words) -> tuple[str, Words, Path | None]:
        """Under which it is kept, the words that a prompt's name stands for, and its file."""
        prompt = self._settings.prompts.get(words.prompt)
        if prompt and prompt.file:
            text = words.text or prompt.text
            return f"file:{prompt.file}:{text}", replace(words, text=text), prompt.file
        if prompt:
            words = Words(prompt.text, "", prompt.speech, prompt.voice)
        service = self._settings.services.get(words.speech)
        voice = words.voice or (service.voice if service else "")
        words = replace(words, voice=voice)
        return content_key(service, voice, words.text), words, None

    async def _make(self, key: str, words: Words, path: Path | None) -> Sound:
        if path:
            sound = await self._from_file(path, words)
        else:
            service = self._settings.services.get(words.speech)
            sound = await (self._from_service(key, service, words) if service else self._embedded(words))
        if not sound.problem:
            self._keep(key, sound)
        return sound

    async def _from_file(self, path: Path, words: Words) -> Sound:
        try:
            return Sound(await asyncio.to_thread(read_sound, path), words.text, "file")
        except (OSError, ValueError) as error:
            return await self._instead(words, f"{path}: {plain(error)}")

    async def _from_service(self, key: str, service: SpeechService, words: Words) -> Sound:
        if stored := await self._stored(key):
            return Sound(stored, words.text, "speech")
        now = asyncio.get_running_loop().time()
        if now < self._silent_until.get(service.name, 0.0):
            return await self._instead(words, f"{service.name} has failed just now")
        try:
            async with asyncio.timeout(service.seconds):
                pcm = await self._ask(service, words)
        except (httpx.HTTPError, OSError, ValueError, TimeoutError) as error:
            self._silent_until[service.name] = now + AGAIN_SECONDS
            why = f"no answer within {service.seconds:g} s" if isinstance(error, TimeoutError) else plain(error)
            return await self._instead(words, f"{service.name}: {why}")
        self._silent_until.pop(service.name, None)
        await self._store(key, pcm)
        return Sound(pcm, words.text, "speech")

    async def _ask(self, service: SpeechService, words: Words) -> bytes:
        """Raises HTTPError, ValueError."""
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=60)
        headers = {"Authorization": f"Bearer {service.key}"} if service.key else {}
        body = {"input": words.text, "model": service.model, "voice": words.voice, "response_format": "pcm"}
        wanted = {name: value for name, value in body.items() if value}
        answer = await self._http.post(service.url, json=wanted, headers=headers)
        if answer.status_code != 200:
            raise ValueError(f"{answer.status_code} {answer.reason_phrase}: {answer.text[:200]}".strip(": "))
        pcm, hz = pcm_of(answer.content, service.hz)
        return await asyncio.to_thread(_at_24_khz, pcm, hz)

    async def _embedded(self, words: Words) -> Sound:
        loop = asyncio.get_running_loop()
        return Sound(
            await loop.run_in_executor(self._thread, self._speak, words.text, words.voice), words.text, EMBEDDED
        )

    async def _instead(self, words: Words, problem: str) -> Sound:
        """The embedded voice says it, where the words are known."""
        log.warning("prompts.failed", problem=problem, text=words.text[:100])
        if not words.text:
            raise ConfigError("prompts", f"{problem}; and there is no text to be said instead")
        made = await self._embedded(replace(words, voice=""))
        return replace(made, problem=problem)

    async def _stored(self, key: str) -> bytes:
        folder = self._settings.folder
        if folder is None:
            return b""
        try:
            return await asyncio.to_thread((folder / f"{key}.pcm").read_bytes)
        except OSError:
            return b""

    async def _store(self, key: str, pcm: bytes) -> None:
        if folder := self._settings.folder:
            try:
                await asyncio.to_thread(partial(_write, folder, key, pcm))
            except OSError as error:
                log.warning("prompts.not_kept", folder=str(folder), problem=plain(error))

    def _keep(self, key: str, sound: Sound) -> None:
        self._kept[key] = sound
        self._bytes += len(sound.pcm)
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            self._forget([next(iter(self._kept))])

    def _forget(self, keys: list[str]) -> None:
        for key in keys:
            self._bytes -= len(self._kept.pop(key).pcm)


def pcm_of(answer: bytes, hz: int) -> tuple[bytes, int]:
    """PCM16 and its rate: as it was asked for at `hz`, or in a WAV, which some servers give whatever is asked.

    Raises ValueError.
    """
    if answer.startswith(b"RIFF"):
        try:
            with wave.open(io.BytesIO(answer)) as file:
                if file.getnchannels() == 1 and file.getsampwidth() == 2:
                    answer, hz = file.readframes(file.getnframes()), file.getframerate()
        except (wave.Error, EOFError) as error:
            raise ValueError(f"its answer is no WAV: {error}") from error
    pcm = answer[: len(answer) // 2 * 2]
    if not pcm or len(pcm) > LONGEST_BYTES or pcm.startswith((b"RIFF", b"ID3", b"OggS", b"fLaC")):
        raise ValueError("its answer is no PCM of 16 bits")
    return pcm, hz


def _at_24_khz(pcm: bytes, hz: int) -> bytes:
    if hz == HZ:
        return pcm
    import soxr

    converted: NDArray[np.int16] = soxr.resample(np.frombuffer(pcm, np.int16), hz, HZ)  # which stays within 16 bits
    return converted.tobytes()


def _write(folder: Path, key: str, pcm: bytes) -> None:
    """Whole, or not at all: another node may read it meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{key}.{id(pcm)}"
    draft.write_bytes(pcm)
    draft.replace(folder / f"{key}.pcm")
