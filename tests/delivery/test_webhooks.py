import orjson
import pytest
from standardwebhooks import Webhook

from gateway.delivery.webhooks import KINDS, WebhookSettings, entries_for, kinds_of, signed
from gateway.records import CallEvent

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
        assert kinds_of(CallEvent("c", 1.0, kind, data)) == told
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
