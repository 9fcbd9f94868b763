"""Webhooks against a real server that fails in real ways."""

import asyncio
import base64
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from gateway.agents import WebhookRow
from gateway.bridge.tools import webhook_tool as webhook
from gateway.bridge.tools.webhook_tool import WebhookTool
from gateway.errors import ToolError
from tests.bridge.call.test_call import FACTS

SECRET = base64.b64encode(b"a secret of some length").decode()


@asynccontextmanager
async def server(*answers):
    """Gives each of `answers`, (status, content type, body), to one request after the other; notes the requests."""
    asked, left, over = [], list(answers), asyncio.Event()

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        fields = {name.lower(): value for name, value in fields.items()}
        body = await reader.readexactly(int(fields["content-length"]))
        asked.append((fields, body))
        status, kind, text = left.pop(0) if len(left) > 1 else left[0]
        if status == "hang":
            await over.wait()
        elif status != "drop":
            answer = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n\r\n{text}"
            writer.write(answer.encode())
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with httpx.AsyncClient() as client:
        yield f"http://127.0.0.1:{port}/book", asked, client
    over.set()
    listener.close()
    await listener.wait_closed()
    await asyncio.sleep(0.01)  # for the handlers to close what they hold


async def ask(url, client, arguments='{"day": "today"}', secret=SECRET, **fields):
    parameters = {"properties": {"day": {"type": "string"}}, "required": ["day"]}
    row = WebhookRow.model_validate({"url": url, "description": "Book.", "parameters": parameters, **fields})
    tool = WebhookTool("book", row, secret, client)
    assert tool.definition["parameters"]["type"] == "object"
    return await tool.bind(arguments, FACTS, "c1")()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(webhook, "FIRST_WAIT", 0.01)


async def test_a_signed_post_and_its_answer():
    async with server((200, "application/json", '{"booked": true}')) as (url, asked, client):
        assert await ask(url, client, headers={"X-Tenant": "7"}) == {"booked": True}
    ((fields, body),) = asked
    assert Webhook(SECRET).verify(body, fields) == orjson.loads(body)
    assert orjson.loads(body) == {
        "call_id": "call_1",
        "caller": "sip:ann@h",
        "called": "sip:reception@gw",
        "tool": "book",
        "arguments": {"day": "today"},
    }
    assert fields["x-tenant"] == "7"
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(body.replace(b"today", b"never"), fields)


async def test_one_that_fails_twice_is_asked_three_times_under_one_key():
    failing = (503, "text/plain", "busy"), ("drop", "", ""), (200, "text/plain", "booked")
    async with server(*failing) as (url, asked, client):
        assert await ask(url, client) == "booked"
    assert {fields["idempotency-key"] for fields, _ in asked} == {"call_1-c1"}
    assert {fields["webhook-id"] for fields, _ in asked} == {"call_1-c1"}
    assert len({body for _, body in asked}) == 1
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("answers", "tries", "says"),
    [
        ([(503, "text/plain", "busy")], 3, "answered with 503"),
        ([(404, "text/plain", "no")], 1, "answered with 404"),
        ([("hang", "", "")], 3, "ReadTimeout"),
        ([("drop", "", "")], 3, "RemoteProtocolError"),
    ],
)
async def test_what_cannot_be_had_is_told_to_the_model(answers, tries, says):
    async with server(*answers) as (url, asked, client):
        with pytest.raises(ToolError) as caught:
            await ask(url, client, timeout_seconds=0.2)
        assert len(asked) == tries
    assert says in caught.value.problem


async def test_bad_arguments_are_not_sent_and_long_answers_are_cut():
    async with server((200, "application/json", "x" * 100_000)) as (url, asked, client):
        with pytest.raises(ToolError, match="required"):
            await ask(url, client, arguments="{}")
        assert asked == []
        assert len(await ask(url, client, secret="")) == webhook.MAX_ANSWER
    assert "webhook-signature" not in asked[0][0]


def test_a_secret_that_is_none_is_told_at_the_start():
    row = WebhookRow(url="http://h/", description="x")
    with pytest.raises(ValueError):  # noqa: PT011
        WebhookTool("book", row, "not base64!", httpx.AsyncClient())
