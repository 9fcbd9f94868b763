import pytest
from pydantic import ValidationError

from gateway.api.bodies import COMMANDS, DOCS, Filters, NewCall
from gateway.bridge.orders import Orders
from tests.bridge.test_call import Stage


def test_every_command_is_documented_and_known_to_calls():
    assert set(DOCS) == {"hangup", *COMMANDS}
    assert set(Orders(Stage().call)._verbs) | {"update"} == set(DOCS) | {"steer"}  # by the session's WebSocket


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
