"""The embedded server with clients that were written elsewhere: audio, a function call and a barge-in each."""

import asyncio
import base64
import json
import sys
from pathlib import Path

import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from gateway.codecs import Resampler
from gateway.local import LocalServer, LocalSettings, Rule, Script
from tests.gatewayd import needs_ears
from tests.speech import narrowband

STORY = "Once upon a time there was a story that went on and on and on until somebody could not bear it any longer"
SCRIPT = Script(
    (
        Rule(("what are your opening hours",), calls="opening_hours", then="We are open {output}."),
        Rule(("tell me a story",), says=STORY),
        Rule(("please stop",), says="As you like."),
    )
)
SERVER_EVENT = TypeAdapter(RealtimeServerEvent)


@pytest.fixture
async def url():
    server = LocalServer(LocalSettings(scripts={"agent": SCRIPT}))
    yield await server.listen()
    await server.close()


def spoken(words):
    """PCM16 at 24 kHz in pieces of 100 ms, with silence around it."""
    quiet = bytes(48 * 700)
    audio = bytes(48 * 300) + Resampler(8000, 24000).push(narrowband(words)).tobytes() + quiet
    return [audio[at : at + 4800] for at in range(0, len(audio), 4800)]


@needs_ears
async def test_the_openai_sdk(url):
    client = AsyncOpenAI(api_key="k", websocket_base_url=url.removesuffix("/realtime"))
    tool = {"type": "function", "name": "opening_hours", "parameters": {"type": "object", "properties": {}}}
    events = []
    async with client.realtime.connect(model="agent") as connection, asyncio.timeout(30):

        async def say(words):
            for piece in spoken(words):
                await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())

        async def until(kind):
            async for event in connection:
                SERVER_EVENT.validate_python(event.model_dump())
                events.append(event)
                if event.type == kind:
                    return event

        transcription = {"input": {"transcription": {"model": "local"}}}
        await connection.session.update(session={"type": "realtime", "audio": transcription, "tools": [tool]})
        await say("what are your opening hours")
        (call,) = (await until("response.done")).response.output
        assert (call.type, call.name) == ("function_call", "opening_hours")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "all day"}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        assert (await until("response.output_audio_transcript.done")).transcript == "We are open all day."
        assert (await until("response.done")).response.status == "completed"

        await say("tell me a story")
        await until("response.output_audio.delta")
        await say("please stop")
        await until("input_audio_buffer.speech_started")
        cut = (await until("response.done")).response
        assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
        item = next(event.item_id for event in reversed(events) if event.type == "response.output_audio.delta")
        await connection.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=50)
        assert (await until("conversation.item.truncated")).audio_end_ms == 50
        assert (await until("response.output_audio_transcript.done")).transcript == "As you like."
    await client.close()


@needs_ears
async def test_openais_agents_sdk(url, tmp_path):
    for name, words in (
        ("question", "what are your opening hours"),
        ("story", "tell me a story"),
        ("stop", "please stop"),
    ):
        (tmp_path / name).write_bytes(b"".join(spoken(words)))
    program = Path(__file__).with_name("agents_client.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", program, f"{url}?model=agent", tmp_path, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 120)
    seen = json.loads(printed)
    assert (seen["called"], seen["errors"]) == (1, [])
    assert seen["audio_bytes"] > 48 * 1000
    assert "audio_interrupted" in seen["kinds"]
