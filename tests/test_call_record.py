import pytest

from gateway.bridge.call.call_info import CallInfo, CallStats
from gateway.call_record import CallRecord, Party, timed


@pytest.mark.parametrize(
    ("uri", "user"),
    [("sip:ann@h", "ann"), ("tel:+15551234;ext=1", "+15551234"), ("sip:h", "h"), ("sips:a%20b@h:5061", "a%20b")],
)
def test_the_user_of_a_party(uri, user):
    assert Party(uri).user == user


def test_times_are_there_for_people_too():
    told = timed({"started_at": 0.0, "ended_at": None, "events": [{"at": 1764324000.1234, "format": "x"}]})
    assert told["started_time"] == "1970-01-01T00:00:00.000Z"
    assert told["ended_time"] is None
    assert told["events"] == [{"at": 1764324000.1234, "time": "2025-11-28T10:00:00.123Z", "format": "x"}]


def test_a_record_has_the_fields_that_are_described_and_no_others():
    stats, info = CallStats(1.0), CallInfo("c", "s", Party("sip:a@h"), Party("sip:b@h"), "h", "h", {}, variant="x")
    stats.media = {"codec": "PCMU"}
    ours = {"state", "agent", "provider", "recording", "held_by", "muted", "attestation"}
    later = {"summary", "fields", "score"}  # once the call is over
    assert {*info.identity(), *stats.record(), *ours, *later} == set(CallRecord.model_fields)
