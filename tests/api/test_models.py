import orjson
import pytest
from pydantic import ValidationError

from gateway.api.models import CallDetail, DeadList, Problem, Record, record_of
from gateway.api.problems import problem
from gateway.bridge.call.call_info import CallStats
from tests.bridge.call.test_call import Stage


def test_a_record_has_all_that_a_call_says_of_itself():
    stage = Stage()
    stage.speaks()
    told = {**stage.call.record(), "variant": "b", "attestation": "A", "media": {}}
    assert set(told) <= set(Record.model_fields)
    assert set(CallStats.__dataclass_fields__) <= set(Record.model_fields)
    found = orjson.loads(Record(**record_of(told)).respond().body)
    assert found["state"] == "answered"
    assert found["answered_time"].endswith("Z")
    assert found["latest"] is None


def test_what_is_known_of_a_call_that_was_never_one_is_enough():
    found = CallDetail(call_id="c", state="ended", outcome="no_route")
    assert (found.events, found.started_at) == ([], 0.0)
    with pytest.raises(ValidationError):
        Record(call_id="c", state="asleep")


def test_names_that_python_does_not_take_are_as_they_were():
    found = DeadList(data=[{"id": "1-0", "for": "webhook:crm", "problem": "x"}])
    assert orjson.loads(found.respond().body)["data"][0]["for"] == "webhook:crm"


def test_a_problem_is_what_the_document_says():
    Problem(**orjson.loads(problem(409, "no", state="ended").body))
