"""Faults on demand, over a real WebSocket."""

import asyncio

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from gateway.local import LocalServer, LocalSettings, Rule, Script
from gateway.local.faults import DEFAULTS, parse

SCRIPT = Script((Rule(("hello",), "Hi there."),))


@pytest.fixture
async def url():
    server = LocalServer(LocalSettings(scripts={"eve": SCRIPT}))
    yield await server.listen()
    await server.close()


def test_what_is_asked_for_by_name():
    assert parse("eve")[0] == "eve"
    assert parse("eve")[1].wanted == {}
    name, faults = parse("eve close:2.5+slow")
    assert (name, faults.wanted) == ("eve", {"close": 2.5, "slow": DEFAULTS["slow"]})
    with pytest.raises(ValueError, match="there is no fault 'laugh'; these are: close, stall"):
        parse("eve+laugh")


async def heard(url, model, seconds=1.5):
    """The events of so many s, or until the end; and the close code."""
    events, code = [], None
    async with connect(f"{url}?model={model}") as socket:
        try:
            async with asyncio.timeout(seconds):
                async for text in socket:
                    events.append(text)
                    if b"session.created" in text.encode():
                        await socket.send(
                            '{"type": "response.create", "response": {"instructions": "Say exactly: hi"}}'
                        )
        except TimeoutError:
            pass
        except ConnectionClosedError:
            code = socket.close_code
        else:
            code = socket.close_code
    return events, code


def types(events):
    found = []
    for text in events:
        try:
            found.append(orjson.loads(text)["type"])
        except (orjson.JSONDecodeError, TypeError, KeyError):
            found.append("garbage")
    return found


async def test_closing_and_expiring(url):
    _, code = await heard(url, "eve+close:0.2")
    assert code == 1006
    events, code = await heard(url, "eve+expire:0.2")
    assert code == 1001
    error = next(orjson.loads(text)["error"] for text in events if "session_expired" in text)
    assert error["message"] == "Your session hit the maximum duration of 0.2 seconds."


async def test_stalling_and_slowness(url):
    whole, _ = await heard(url, "eve")
    assert types(whole)[-1] == "response.done"
    stalled, code = await heard(url, "eve+stall:0")
    assert (stalled, code) == ([], None)
    slow, _ = await heard(url, "eve+slow:0.3")
    assert 2 <= len(slow) <= 5


async def test_errors_and_garbage(url):
    events, _ = await heard(url, "eve+error:0.1+garbage:0.1")
    assert "error" in types(events)
    assert types(events).count("garbage") >= 3
    assert types(events)[-1] in ("response.done", "garbage", "response.output_audio.delta", "error")


@pytest.mark.parametrize(("model", "status"), [("eve+refuse:429", 429), ("eve+refuse", 503), ("eve+laugh", 400)])
async def test_refusing(url, model, status):
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"{url}?model={model}")
    assert caught.value.response.status_code == status


async def test_every_session_ends_some_day():
    server = LocalServer(LocalSettings(scripts={"eve": SCRIPT}, session_seconds=0.3))
    url = await server.listen()
    async with connect(f"{url}?model=eve") as socket:
        created = orjson.loads(await socket.recv())
        assert created["session"]["expires_at"] > 1.7e9
        async with asyncio.timeout(3):
            await socket.wait_closed()
        assert socket.close_code == 1001
    await server.close()
