import asyncio

import httpx
import orjson
import pytest
from standardwebhooks import Webhook

from gateway.bridge.tools.webhook_tool import signed
from gateway.delivery.courier import PermanentFailure
from gateway.delivery.webhooks import KINDS, WebhookReceiver, WebhookSettings, entries_for, kinds_of
from gateway.events import CallEvent

RECORD = {"call_id": "c", "state": "answered"}


def test_what_each_event_is_to_others():
    for kind, data, told in (
        ("incoming", {}, ["call.ringing"]), ("ringing", {}, ["call.ringing"]), ("answered", {}, ["call.answered"]),
        ("bridged", {}, ["call.transferred"]), ("transcript", {}, ["call.transcript"]),
        ("tool_output", {}, ["call.tool"]),
        ("recording_stopped", {}, ["call.recording.ready"]), ("speech_started", {}, []),
        ("ended", {"outcome": "transferred"}, ["call.transferred", "call.ended"]),
        ("ended", {"outcome": "transferred", "bridged": True}, ["call.ended"]),
        ("ended", {"outcome": "node_died"}, ["call.ended"]),
    ):  # fmt: skip
        assert kinds_of(CallEvent("c", 1.0, kind, data)) == tuple(told)
        assert set(told) <= set(KINDS)


def test_each_gets_what_it_wants_under_an_id_of_its_own():
    hooks = WebhookSettings("all", "http://h/"), WebhookSettings("ends", "http://h/", events=("call.ended",))
    event = CallEvent("c", 1.5, "transcript", {"role": "user", "text": "Grüß Gott"})
    (entry,) = entries_for(hooks, event, RECORD)
    assert (entry["for"], entry["call_id"]) == ("webhook:all", "c")
    body = orjson.loads(entry["body"])
    assert body["data"] == {"call_id": "c", "role": "user", "text": "Grüß Gott", "call": RECORD}
    assert entries_for(hooks, event, RECORD)[0]["body"] == entry["body"]  # the same event has the same id
    ended = entries_for(hooks, CallEvent("c", 2.0, "ended", {"outcome": "transferred"}), RECORD)
    assert [one["for"] for one in ended] == ["webhook:all", "webhook:all", "webhook:ends"]
    assert len({orjson.loads(one["body"])["id"] for one in ended}) == 2


def test_a_receiver_can_check_the_signature():
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signed(Webhook(secret), "evt_1", '{"a":1}')
    assert Webhook(secret).verify('{"a":1}', headers) == {"a": 1}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secret).verify('{"a":2}', headers)
    assert signed(None, "evt_1", "{}") == {"Content-Type": "application/json"}


async def test_what_a_receivers_answer_means():
    statuses = [204, 500, 410]

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {statuses.pop(0)} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        receiver = WebhookReceiver(WebhookSettings("x", url), client)
        assert await receiver.deliver("c", '{"id": "evt_1"}') == ""
        assert await receiver.deliver("c", '{"id": "evt_1"}') == f"{url} answered with 500"
        with pytest.raises(PermanentFailure, match="answered with 410"):
            await receiver.deliver("c", '{"id": "evt_1"}')
    nobody = WebhookReceiver(WebhookSettings("x", url), httpx.AsyncClient())
    assert "ConnectError" in await nobody.deliver("c", '{"id": "evt_1"}')
    await nobody._client.aclose()
