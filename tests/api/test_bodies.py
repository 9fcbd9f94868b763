import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.api.bodies import COMMANDS, EntryId, Filters, NewCall
from tests.bridge.call.test_call import Stage


def test_every_command_is_documented_and_known_to_calls():
    verbs = {one.verb for one in COMMANDS}
    assert set(Stage().call.commands._verbs) | {"update"} == verbs | {"steer"}  # by the session's WebSocket
    assert all(one.doc for one in COMMANDS)


def test_variables_hold_no_line_ends():
    NewCall(to="1", agent="a", variables={"name": "Zoë"})
    for wrong in ("a\r\nb", "a\x00", "a\x7f"):
        with pytest.raises(ValidationError, match="control character"):
            NewCall(to="1", agent="a", variables={"name": wrong})


def test_a_filter_that_says_nothing_likes_all():
    record = {"call_id": "call_1", "state": "ended", "caller": "sip:ann@h", "started_at": 10.0}
    assert Filters().likes(record)
    assert Filters(q="ANN", until=11).likes(record)
    assert not Filters(q="bob").likes(record)
    assert not Filters(live=True).likes(record)


def test_times_are_epochs_or_iso_8601():
    assert Filters(since="1764324000").since == 1764324000
    assert Filters(since="2025-11-28T10:00:00Z").since == 1764324000
    assert Filters(until="2025-11-28T11:00:00+01:00").until == 1764324000
    assert Filters(since="2025-11-28").since == 1764288000  # midnight in UTC
    for wrong in ("yesterday", "2025-13-01", "-1", "inf", "nan", "1e300"):
        with pytest.raises(ValidationError):
            Filters(since=wrong)


def test_what_is_unknown_is_told_with_the_list():
    for field, wrong, says in (
        ("state", "asleep", "'answered'"),
        ("outcome", "fine", "'caller_hung_up'"),
        ("direction", "up", "'inbound'"),
    ):
        with pytest.raises(ValidationError, match=says):
            Filters(**{field: wrong})
        assert getattr(Filters(**{field: ""}), field) is None


def test_ids_of_entries():
    check = TypeAdapter(EntryId)
    for right in ("", "1", "1764324000000-0", f"{10**19 - 1}-{10**19 - 1}"):
        assert check.validate_python(right) == right
    for wrong in ("x", "1-", "-1", "1-2-3", "+", "(1", f"{2**64}", "١"):
        with pytest.raises(ValidationError):
            check.validate_python(wrong)
