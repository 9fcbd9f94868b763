"""What a chat model makes of a call, with a real Redis; the model is a server here."""

import time

import httpx
import orjson
import pytest

from gateway.agents import AfterRules
from gateway.delivery import PermanentFailure, SummaryReceiver, WebhookSettings
from gateway.delivery.summaries import AfterSettings, schema_of, transcript_of
from gateway.events import CallEvent
from gateway.store import StoreSettings, open_store
from gateway.store.connection import server_executable

RULES = AfterRules(
    chat={"url": "http://chat.example/v1/", "model": "m"},
    fields={"topic": {"type": "string", "enum": ["billing", "other"]}},
    score="Was the caller helped?",
)
GOOD = {"summary": "A bill.", "fields": {"topic": "billing"}, "score": 8}
needs_redis = pytest.mark.skipif(server_executable() is None, reason="no redis-server here")


def says(content, status=200):
    text = content if isinstance(content, str) else orjson.dumps(content).decode()
    return httpx.Response(status, json={"choices": [{"message": {"content": text}}]})


async def delivered(answer, rows=(("user", "My bill?"), ("assistant", "Paid."))):
    """What came of it, the record after it, the outbox, and whose record was written again."""
    hooks = (WebhookSettings("crm", "http://crm.example"),)
    again = []

    async def note(call_id):
        again.append(call_id)

    async with open_store(StoreSettings()) as store:
        record = {"call_id": "call_1", "started_at": 1.0, "state": "answered", "outcome": "x"}
        for role, text in rows:
            store.calls.write(CallEvent("call_1", 1.0, "transcript", {"role": role, "text": text}), record)
        store.calls.write(CallEvent("call_1", time.time(), "ended", {}), record | {"ended_at": time.time()})
        await store.writer.flush(2.0)
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        settings = AfterSettings({"eve": RULES}, {"eve": "hush"})
        receiver = SummaryReceiver(settings, hooks, store, client, note)
        problem = await receiver.deliver("call_1", "eve")
        found = await store.calls.record("call_1")
        entries = [orjson.loads(one[1][b"body"]) for one in await store._redis.xrange("{gateway}:outbox")]
        return problem, found, [one for one in entries if one["type"] == "call.summary"], again


@needs_redis
async def test_it_is_in_the_record_and_told():
    def answer(request):
        assert str(request.url) == "http://chat.example/v1/chat/completions"
        assert request.headers["authorization"] == "Bearer hush"
        asked = orjson.loads(request.content)
        assert asked["messages"][1]["content"] == "Caller: My bill?\nAgent: Paid."
        assert asked["response_format"]["json_schema"]["schema"] == schema_of(RULES)
        return says(GOOD)

    problem, record, told, again = await delivered(answer)
    assert problem == ""
    assert {name: record[name] for name in GOOD} == GOOD
    assert (told[0]["data"]["call"]["summary"], again) == ("A bill.", ["call_1"])
    assert "events" not in told[0]["data"]["call"]


@needs_redis
async def test_a_server_that_knows_no_schemas_is_asked_in_words():
    def answer(request):
        if "response_format" in orjson.loads(request.content):
            return httpx.Response(400, text="unknown field")
        return says(f"Here you are:\n```json\n{orjson.dumps(GOOD).decode()}\n```")

    assert (await delivered(answer))[1]["score"] == 8


@needs_redis
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (httpx.Response(503, text="busy"), "answered with 503: busy"),
        (says("I cannot do that."), "does not fit"),
        (says({**GOOD, "score": 11}), "11 is greater than the maximum of 10"),
        (says({**GOOD, "fields": {"topic": "weather"}}), "'weather' is not one of"),
        (httpx.Response(200, json={"choices": []}), "does not fit"),
    ],
)
async def test_what_does_not_fit_is_tried_again(answer, problem):
    found, record, told, _ = await delivered(lambda request: answer)
    assert problem in found
    assert "summary" not in record
    assert told == []


@needs_redis
async def test_a_key_that_is_refused_is_refused_for_good():
    with pytest.raises(PermanentFailure, match="401"):
        await delivered(lambda request: httpx.Response(401))


@needs_redis
async def test_of_a_call_in_which_nothing_was_said_nothing_is_asked():
    def answer(request):
        raise AssertionError

    assert (await delivered(answer, rows=()))[0] == ""


def test_of_a_long_call_its_end_is_given():
    rows = [{"type": "transcript", "data": {"role": "user", "text": "x" * 1000}}] * 100
    assert len(transcript_of(rows)) == 60_000
