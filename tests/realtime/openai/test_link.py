"""One session on one socket; how it is opened and refused is in test_client.py."""

import asyncio

import orjson

from gateway.realtime import Choice, Provider, SessionConfig
from gateway.realtime.history import History
from gateway.realtime.openai.link import Link
from tests.realtime.openai.test_client import Server, talk


async def test_a_session_that_begins_in_mid_call_is_told_what_was_said():
    sent = []

    async def then(websocket):
        async for text in websocket:
            sent.append(orjson.loads(text))

    history = History()
    history.begin().words("user", "u", "my name is Ann")
    history.call("c1", "book", "{}")
    async with Server(lambda websocket: talk(websocket, then)) as url:
        one = Link(Choice(Provider("acme", url), SessionConfig()), history, lambda event: None, lambda link, why: None)
        await one.open(5)
        one.session.tool_output("c1", "booked")
        one.flush()
        async with asyncio.timeout(5):
            while not sent or sent[-1]["type"] != "response.create":
                await asyncio.sleep(0.01)
        one.close()
    items = [event["item"] for event in sent if event["type"] == "conversation.item.create"]
    assert [item["type"] for item in items] == ["message", "message", "function_call", "function_call_output"]
    assert items[1]["content"] == [{"type": "input_text", "text": "my name is Ann"}]


async def test_an_error_that_is_fatal_ends_it_and_says_why():
    ended = []

    async def then(websocket):
        error = {"type": "error", "error": {"code": "session_expired", "message": "60 minutes are over"}}
        await asyncio.sleep(0.1)
        await websocket.send(orjson.dumps(error), text=True)

    async with Server(lambda websocket: talk(websocket, then)) as url:
        choice = Choice(Provider("acme", url), SessionConfig())
        one = Link(choice, History(), lambda event: None, lambda link, why: ended.append(why))
        await one.open(5)
        async with asyncio.timeout(5):
            while not ended:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
    assert ended == ["60 minutes are over (session_expired)"]
