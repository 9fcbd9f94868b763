import pytest
from pydantic import ValidationError

from gateway.agents import AgentDefinition, expand


def test_variables_of_a_call():
    text = "Hello {{caller_name}}, {{ header.X-Account }}{{header.missing}}!"
    assert expand(text, {"caller_name": "Ann", "header.x-account": "42"}) == "Hello Ann, 42!"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"instructions": "for {{nobody}}"}, "no variable {{nobody}}"),
        ({"transfer_targets": {"sales": "the sales office"}}, "is no destination"),
        ({"turn_detection": {"type": "telepathy"}}, "server_vad"),
        ({"local": {"rules": [{"hears": "call {who}"}]}}, "slot 'who'"),
        ({"colour": "red"}, "Extra inputs"),
        ({"speed": 9}, "less than or equal to 1.5"),
    ],
)
def test_what_is_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        AgentDefinition.model_validate(fields)


def test_a_rule_may_hear_one_phrase_or_several():
    local = AgentDefinition.model_validate({"local": {"rules": [{"hears": "yes"}, {"hears": ["no", "nope"]}]}}).local
    assert [rule.hears for rule in local.rules] == [("yes",), ("no", "nope")]


def test_targets_may_have_variables():
    targets = {"desk": "sip:desk@{{called_host}}", "mobile": "tel:+15550100"}
    assert AgentDefinition.model_validate({"transfer_targets": targets}).transfer_targets == targets


def test_digits_are_said_one_by_one():
    assert expand("{{ caller | digits }}", {"caller": "+49 89-123"}) == "4 9 8 9 1 2 3"
    AgentDefinition(greeting="Is {{caller|digits}} your number?")
    with pytest.raises(ValidationError, match="no form 'loud'"):
        AgentDefinition(greeting="{{caller|loud}}")
