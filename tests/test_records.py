import re
from pathlib import Path

import pytest

import gateway
from gateway.bridge.reasons import BY_STATUS, OURS, REASONS
from gateway.records import OUTCOMES, Party, timed


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


def test_every_outcome_is_in_the_list():
    """What ends a call, where it is written: the table of reasons, causes of the SIP side, and ends of the bridge's."""
    found = {reason.outcome for reason in (*REASONS.values(), OURS)} | set(BY_STATUS)
    root = Path(gateway.__file__).parent
    for path in (*root.glob("bridge/**/*.py"), *root.glob("sip/**/*.py")):
        text = path.read_text()
        found |= set(re.findall(r"(?:hang_up|broken|refused|_leave)\(\s*\"(\w+)\"", text))
        causes = set(re.findall(r"(?:Ended\(self|_end\(now|_reject\(now|_give_up\(?), \"([\w-]+)\"", text))
        causes |= set(re.findall(r"_give_up\(\"([\w-]+)\"", text))
        found |= {cause.replace("-", "_") for cause in causes - {"bye", "refused"}}
    assert {"no_ack", "session_expired", "cancelled", "unreachable", "no_input", "media_timeout"} <= found
    assert found <= set(OUTCOMES), found - set(OUTCOMES)
