"""Words as sound: by services that are well, slow, broken or lie, from files, and by the embedded voice."""

import asyncio
import io
import json
import wave
from contextlib import asynccontextmanager

import numpy as np
import pytest

from gateway.errors import BadCommand, ConfigError
from gateway.prompts import Library, Prompt, PromptSettings, SpeechService, Words
from gateway.prompts import library as library_module

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000)).astype("<i2").tobytes()


class Voice:
    """The embedded voice's place: what it said, as bytes."""

    def __init__(self):
        self.said = []

    def __call__(self, text, voice):
        self.said.append((text, voice))
        return f"{voice}:{text}".encode()


@asynccontextmanager
async def service(answer, **settings):
    """A server that speaks: `answer(number)` is (status, body), or seconds to wait. Its settings, and requests."""
    asked = []

    async def serve(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length:")[2].split()[0])
            asked.append((head, json.loads(await reader.readexactly(length))))
            found = answer(len(asked))
            if isinstance(found, float):
                await asyncio.sleep(found)
                found = (200, TONE)
            status, body = found
            writer.write(
                f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    one = SpeechService("acme", f"http://127.0.0.1:{port}/v1/audio/speech", "the-key", "tts-1", "marin", **settings)
    try:
        yield one, asked
    finally:
        server.close()


@asynccontextmanager
async def speaking(answer, voice=None, folder=None, **settings):
    """A library that has such a service, and what that was asked."""
    async with service(answer, **settings) as (acme, asked):
        known = PromptSettings(services={"acme": acme}, folder=folder)
        async with library_of(known, voice) as library:
            yield library, asked


@asynccontextmanager
async def library_of(settings, voice=None):
    one = Library(settings, voice or Voice())
    try:
        yield one
    finally:
        await one.close()


async def test_a_service_is_asked_once_for_the_same_words_however_many_want_them(tmp_path):
    async with service(lambda n: 0.05) as (acme, asked):
        settings = PromptSettings(services={"acme": acme}, folder=tmp_path / "kept")
        words = Words("This call is recorded.", speech="acme")
        async with library_of(settings) as library:
            assert library.ready(words) is None
            first, second = await asyncio.gather(library.sound(words), library.sound(words))
            assert first.pcm == second.pcm == TONE
            assert (first.source, first.problem, first.text) == ("speech", "", "This call is recorded.")
            assert library.ready(words) == first
            await library.sound(Words("This call is recorded.", speech="acme", voice="cedar"))
        head, body = asked[0]
        assert "authorization: bearer the-key" in head.lower()
        assert body == {"input": words.text, "model": "tts-1", "voice": "marin", "response_format": "pcm"}
        assert [body["voice"] for _, body in asked] == ["marin", "cedar"]
        async with library_of(settings) as another:  # after a restart it is on disk
            assert (await another.sound(words)).pcm == TONE
        assert len(asked) == 2
    assert len(list((tmp_path / "kept").glob("*.pcm"))) == 2
    assert not list((tmp_path / "kept").glob(".*"))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda n: (401, b"no such key"), "acme: 401 X: no such key"),
        (lambda n: (200, b""), "acme: its answer is no PCM of 16 bits"),
        (
            lambda n: (200, b"RIFF....WAVE"),
            "acme: its answer is no WAV: fmt chunk and/or data chunk missing",
        ),
        (lambda n: (200, b"ID3\x04....MP3"), "acme: its answer is no PCM of 16 bits"),
        (lambda n: 5.0, "acme: no answer within 0.2 s"),
    ],
)
async def test_where_a_service_fails_the_embedded_voice_says_it_and_it_is_not_asked_by_every_caller(answer, why):
    voice = Voice()
    async with (
        service(answer, seconds=0.2) as (acme, asked),
        library_of(PromptSettings(services={"acme": acme}), voice) as library,
    ):
        sound = await library.sound(Words("Good day.", speech="acme"))
        assert (sound.source, sound.problem) == ("local", why)
        assert voice.said == [("Good day.", "")]  # its own voice: it has none of the service's names
        assert library.ready(Words("Good day.", speech="acme")) is None  # the service may come back
        again = await library.sound(Words("Good day.", speech="acme"))
        assert again.problem == "acme has failed just now"
        assert len(asked) == 1
        assert voice.said == [("Good day.", "")] * 2


async def test_a_service_that_is_back_is_asked_again(monkeypatch):
    monkeypatch.setattr(library_module, "AGAIN_SECONDS", 0.0)
    async with (
        service(lambda n: (503, b"busy") if n == 1 else (200, TONE)) as (acme, _),
        library_of(PromptSettings(services={"acme": acme})) as library,
    ):
        assert (await library.sound(Words("Hi.", speech="acme"))).source == "local"
        assert (await library.sound(Words("Hi.", speech="acme"))).source == "speech"


async def test_a_service_of_another_rate_is_brought_to_ours():
    async with (
        service(lambda n: (200, TONE[: 16000 * 2]), hz=16000) as (acme, _),
        library_of(PromptSettings(services={"acme": acme})) as library,
    ):
        sound = await library.sound(Words("Hi.", speech="acme"))
    assert len(sound.pcm) == pytest.approx(len(TONE), rel=0.01)  # a second stays a second


async def test_a_named_prompt_is_its_text_or_its_file(tmp_path):
    path = tmp_path / "welcome.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24000)
        file.writeframes(TONE)
    prompts = {"welcome": Prompt("welcome", file=path), "taped": Prompt("taped", "This call is recorded.", voice="de")}
    voice = Voice()
    async with library_of(PromptSettings(prompts), voice) as library:
        await library.prepare([Words(prompt="welcome"), Words(prompt="taped")])
        assert library.ready(Words(prompt="welcome")).pcm == TONE
        taped = library.ready(Words(prompt="taped"))
        assert (taped.pcm, taped.text) == (b"de:This call is recorded.", "This call is recorded.")
        same = {name: Prompt(name, name, file=path) for name in ("hello", "servus")}  # one file, two texts
        library.use(PromptSettings(same))
        assert [(await library.sound(Words(prompt=name))).text for name in same] == ["hello", "servus"]
        library.use(PromptSettings({"taped": Prompt("taped", "Recorded.")}))
        assert library.ready(Words(prompt="taped")) is None
        path.unlink()
        library.use(PromptSettings(prompts))
        with pytest.raises(ConfigError, match=r"welcome\.wav: .*no text to be said instead"):
            await library.sound(Words(prompt="welcome"))
        await library.prepare([Words(prompt="welcome"), Words(prompt="gone")])  # is logged, and no more
        with pytest.raises(BadCommand, match="there is no prompt 'gone'; these are: welcome, taped"):
            await library.sound(Words(prompt="gone"))


async def test_what_was_used_longest_ago_goes_first(monkeypatch):
    monkeypatch.setattr(library_module, "MOST_BYTES", 25)
    async with library_of(PromptSettings()) as library:
        for text in ("one......", "two......", "one......", "three...."):
            await library.sound(Words(text))
        assert library.ready(Words("two......")) is None
        assert library.ready(Words("one......"))


async def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    (tmp_path / "kept").write_text("a file")
    async with (
        service(lambda n: (200, TONE)) as (acme, _),
        library_of(PromptSettings(services={"acme": acme}, folder=tmp_path / "kept")) as library,
    ):
        assert (await library.sound(Words("Hi.", speech="acme"))).pcm == TONE


async def test_the_embedded_voice_speaks():
    pytest.importorskip("espeakng_loader", reason="the extra local is not installed")
    async with library_of(PromptSettings(), library_module.embedded_voice) as library:
        sound = await library.sound(Words("This call is recorded."))
    samples = np.frombuffer(sound.pcm, "<i2")
    assert 1.0 < len(samples) / 24000 < 4.0
    assert np.abs(samples).max() > 3000


def test_a_wav_is_taken_as_what_it_says_it_is():
    whole = io.BytesIO()
    with wave.open(whole, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(TONE[:2000])
    assert library_module.pcm_of(whole.getvalue(), 24000) == (TONE[:2000], 22050)
    assert library_module.pcm_of(TONE, 24000) == (TONE, 24000)
