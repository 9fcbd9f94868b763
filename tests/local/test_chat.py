"""A brain elsewhere, over real HTTP that streams, stalls and fails."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect

from gateway.local import LocalServer, LocalSettings, Script
from gateway.local.chat import Chat, ChatError, Thought, request, think

CHAT = Chat("http://h/v1", "m")


def sse(*deltas):
    lines = [json.dumps({"choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"])


def words(text, size=3):
    return [{"content": text[at : at + size]} for at in range(0, len(text), size)]


@asynccontextmanager
async def endpoint(*answers):
    """Gives each of `answers`, (status, body), to one request after the other; notes what it was asked."""
    asked, left = [], list(answers)

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length"))
        asked.append((head, json.loads(await reader.readexactly(int(length.split(":")[1])))))
        status, body = left.pop(0)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".encode())
        for at in range(0, len(body), 50):
            writer.write(body[at : at + 50].encode())
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1", asked
    listener.close()
    await listener.wait_closed()


async def thoughts(url, key=""):
    async with httpx.AsyncClient() as client:
        return [thought async for thought in think(Chat(url, "m", key), {"model": "m"}, client)]


async def test_sentences_as_they_come_and_tools_at_the_end():
    calls = [
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "hours", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "book", "arguments": '{"day"'}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": ':"today"}'}}]},
    ]
    text = "Well, hello. It costs 3.50 a night! Shall I book it"
    async with endpoint((200, sse({"role": "assistant"}, *words(text), *calls))) as (url, asked):
        found = await thoughts(url, "secret")
    assert [one.sentence for one in found[:-1]] == ["Well, hello.", "It costs 3.50 a night!", "Shall I book it"]
    assert found[-1] == Thought(calls=(("hours", {}), ("book", {"day": "today"})))
    assert "POST /v1/chat/completions" in asked[0][0]
    assert "authorization: bearer secret" in asked[0][0].lower()


@pytest.mark.parametrize(
    ("answer", "says"), [((500, "no"), "answered with 500"), ((200, "data: {not json\n\n"), "JSONDecodeError")]
)
async def test_what_is_no_answer(answer, says):
    async with endpoint(answer) as (url, _):
        with pytest.raises(ChatError, match=says):
            await thoughts(url)
    with pytest.raises(ChatError, match="ConnectError"):
        await thoughts(url)


def test_a_conversation_as_messages():
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hours?"}]},
        {"type": "function_call", "call_id": "c", "name": "hours", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "9 to 5"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": "Nine to five."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": None}]},
    ]
    tool = {"type": "function", "name": "hours", "description": "Opening hours.", "parameters": {"type": "object"}}
    body = request(CHAT, items, "Be brief.", [tool], {"type": "function", "name": "hours"})
    said = [(message["role"], message.get("content")) for message in body["messages"]]
    assert said[:2] == [("system", "Be brief."), ("user", "hours?")]
    assert said[2:] == [("assistant", None), ("tool", "9 to 5"), ("assistant", "Nine to five.")]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "hours", "arguments": "{}"}
    assert body["tools"][0]["function"]["name"] == "hours"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "hours"}}
    assert "tools" not in request(CHAT, items, "", [], "auto")


async def test_a_turn_with_a_tool_from_the_first_word_to_the_last():
    call = {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "hours", "arguments": "{}"}}]}
    answers = (200, sse(call)), (200, sse(*words("We open at nine. We close at five."))), (503, "")
    async with endpoint(*answers) as (url, asked):
        server = LocalServer(LocalSettings(scripts={"eve": Script(chat=Chat(url, "m"))}))
        events = []
        async with connect(f"{await server.listen()}?model=eve") as socket, asyncio.timeout(20):

            async def send(kind, **fields):
                await socket.send(orjson.dumps({"type": kind, **fields}), text=True)

            async def done():
                async for text in socket:
                    events.append(orjson.loads(text))
                    if events[-1]["type"] == "response.done":
                        return events[-1]["response"]

            tool = {"type": "function", "name": "hours", "parameters": {"type": "object"}}
            await send("session.update", session={"type": "realtime", "instructions": "Be brief.", "tools": [tool]})
            content = [{"type": "input_text", "text": "when are you open"}]
            await send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
            await send("response.create")
            (made,) = (await done())["output"]
            assert (made["type"], made["name"]) == ("function_call", "hours")
            output = {"type": "function_call_output", "call_id": made["call_id"], "output": "9 to 5"}
            await send("conversation.item.create", item=output)
            await send("response.create")
            said = await done()
            assert said["output"][0]["content"][0]["transcript"] == "We open at nine. We close at five."
            kinds = [event["type"] for event in events]
            assert kinds.count("response.output_audio.delta") > 10
            await send("response.create")
            failed = await done()
            assert (failed["status"], failed["status_details"]["error"]["code"]) == ("failed", "chat_failed")
            await send("response.create", response={"instructions": "Say exactly: Sorry."})  # needs nobody else
            assert (await done())["status"] == "completed"
        await server.close()
    assert [message["role"] for message in asked[1][1]["messages"]] == ["system", "user", "assistant", "tool"]
