"""The embedded server with a client that was written elsewhere: openai's own SDK, over a real WebSocket."""

import asyncio
import base64
import ssl

import httpx
import orjson
import pytest
from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.codecs import Resampler
from gateway.errors import ConfigError, PortInUse
from gateway.local import LocalServer, LocalSettings, Rule, Script
from tests.certificates import make_certificate
from tests.gatewayd import needs_ears
from tests.speech import narrowband

SCRIPT = Script((Rule(("what are your opening hours",), "From nine to five."),))
SERVER_EVENT = TypeAdapter(RealtimeServerEvent)


@pytest.fixture
async def url():
    server = LocalServer(LocalSettings(scripts={"agent": SCRIPT}, key="k"))
    yield await server.listen()
    await server.close()


@needs_ears
async def test_a_turn_of_the_openai_sdk_by_voice(url):
    client = AsyncOpenAI(api_key="k", websocket_base_url=url.removesuffix("/realtime"))
    audio = Resampler(8000, 24000).push(narrowband("what are your opening hours"))
    silence = bytes(48 * 1000)
    events, spoken = [], 0
    async with client.realtime.connect(model="agent") as connection, asyncio.timeout(20):
        transcription = {"input": {"transcription": {"model": "local"}}}
        await connection.session.update(session={"type": "realtime", "audio": transcription})
        for data in (silence[:14400], audio.tobytes(), silence):
            await connection.input_audio_buffer.append(audio=base64.b64encode(data).decode())
        async for event in connection:
            events.append(event)
            SERVER_EVENT.validate_python(event.model_dump())
            if event.type == "response.output_audio.delta":
                spoken += len(base64.b64decode(event.delta))
            if event.type == "response.done":
                break
    kinds = [event.type for event in events]
    assert kinds[:3] == ["session.created", "conversation.created", "session.updated"]
    heard = next(event for event in events if event.type == "conversation.item.input_audio_transcription.completed")
    assert heard.transcript == "what are your opening hours"
    said = next(event for event in events if event.type == "response.output_audio_transcript.done")
    assert said.transcript == "From nine to five."
    assert spoken > 48 * 800
    await client.close()


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/v1/realtime?model=agent", "wrong", 401),
        ("/v1/realtime?model=other", "k", 404),
        ("/elsewhere?model=agent", "k", 404),
    ],
)
async def test_who_is_not_let_in(url, path, key, status):
    address = url.removesuffix("/v1/realtime") + path
    with pytest.raises(InvalidStatus) as caught:
        await connect(address, additional_headers={"Authorization": f"Bearer {key}"})
    assert caught.value.response.status_code == status


async def test_where_there_is_one_agent_it_need_not_be_named(url):
    async with connect(
        url.replace("/v1/realtime", "/api/v1/realtime/session?key=x"), additional_headers={"api-key": "k"}
    ) as one:
        assert '"model":"agent"' in await one.recv()


async def test_clients_with_and_without_a_subprotocol(url):
    headers = {"api-key": "k"}
    for offered, chosen in ((None, None), (["realtime", "openai-insecure-api-key.x"], "realtime")):
        async with connect(f"{url}?model=agent", additional_headers=headers, subprotocols=offered) as one:
            assert one.subprotocol == chosen
            assert "session.created" in await one.recv()


async def test_a_port_that_is_taken(url):
    port = int(url.rsplit(":", 1)[1].partition("/")[0])
    with pytest.raises(PortInUse, match=str(port)):
        await LocalServer(LocalSettings(port=port)).listen()


async def test_a_browser_shows_its_key_among_the_subprotocols(url):
    for key, ok in (("k", True), ("wrong", False)):
        offered = ["realtime", f"openai-insecure-api-key.{key}", "openai-beta.realtime-v1"]
        if not ok:
            with pytest.raises(InvalidStatus):
                await connect(f"{url}?model=agent", subprotocols=offered)
            continue
        async with connect(f"{url}?model=agent", subprotocols=offered) as socket:
            assert socket.subprotocol == "realtime"
            assert "session.created" in await socket.recv()


async def test_models_are_listed_for_who_asks(url):
    at = url.replace("ws:", "http:").removesuffix("/realtime")
    async with httpx.AsyncClient(headers={"Authorization": "Bearer k"}) as client:
        found = (await client.get(f"{at}/models")).json()
        assert [(row["id"], row["object"]) for row in found["data"]] == [("agent", "model")]
        assert (await client.get(f"{at}/models/agent")).json()["id"] == "agent"
        assert (await client.get(f"{at}/models/none")).status_code == 404
        assert (await client.get(f"{at}/models", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_over_tls(tmp_path):
    pem, key, _ = make_certificate(tmp_path, "localhost")
    server = LocalServer(LocalSettings(scripts={"agent": SCRIPT}, certificate=pem, certificate_key=key))
    url = await server.listen()
    assert url.startswith("wss://")
    context = ssl.create_default_context(cafile=pem)
    context.check_hostname = False
    async with connect(url, ssl=context) as socket:
        assert "session.created" in await socket.recv()
    await server.close()
    with pytest.raises(ConfigError, match="cannot be used"):
        await LocalServer(LocalSettings(scripts={"agent": SCRIPT}, certificate=key)).listen()


@needs_ears
async def test_a_session_that_only_transcribes(url):
    headers = {"Authorization": "Bearer k"}
    async with connect(f"{url}?intent=transcription", additional_headers=headers) as socket, asyncio.timeout(20):
        assert orjson.loads(await socket.recv())["session"]["type"] == "transcription"
        session = {"type": "transcription", "audio": {"input": {"transcription": {"model": "x"}}}}
        await socket.send(orjson.dumps({"type": "session.update", "session": session}), text=True)
        audio = Resampler(8000, 24000).push(narrowband("what are your opening hours")).tobytes()
        for piece in (bytes(14400), audio, bytes(48 * 1000)):
            event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(piece).decode()}
            await socket.send(orjson.dumps(event), text=True)
        while (event := orjson.loads(await socket.recv()))["type"] != (
            "conversation.item.input_audio_transcription.completed"
        ):
            assert not event["type"].startswith("response.")
        assert event["transcript"] == "what are your opening hours"
