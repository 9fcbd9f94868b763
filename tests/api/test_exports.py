import csv
import io

from gateway.api.exports import COLUMNS, head, rows
from gateway.call_record import timed


def test_a_line_for_each_call_and_no_formulas():
    record = timed({"call_id": "call_1", "started_at": 0.0, "answered_at": 10.0, "ended_at": 72.44, "cost": None,
                    "caller": "sip:+15550100@h", "caller_name": '=HYPERLINK("x")', "agent": 'a "b", c'})  # fmt: skip
    first, second, third = csv.reader(io.StringIO(head() + rows([record, {"call_id": "call_2"}])))
    assert tuple(first) == COLUMNS
    told = dict(zip(first, second, strict=True))
    assert told["caller_name"] == """'=HYPERLINK("x")"""
    assert told["agent"] == 'a "b", c'
    assert told["talked_seconds"] == "62.4"
    assert told["answered_time"] == "1970-01-01T00:00:10.000Z"
    assert third[0] == "call_2"
    assert set(third[1:]) == {""}
