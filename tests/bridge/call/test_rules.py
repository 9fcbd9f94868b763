import pytest
from pydantic import ValidationError

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.actions import UpdateAgent
from gateway.outcomes import Outcome
from gateway.realtime import Transcript
from tests.bridge.call.test_call import AGENT, Stage

LATE = {"after_seconds": 60, "settings": {"instructions": "Come to an end."}}
ANGRY = {"hears": r"\bmanager\b", "agent": "supervisor"}


def stage_with(*rules):
    definition = AGENT.definition.model_validate({**AGENT.definition.model_dump(), "rules": rules})
    stage = Stage(agent=Agent(AGENT.name, AGENT.source, definition, AGENT.tools))
    stage.became = []
    drained, stage.call.act = stage.call.act, lambda action: (stage.became.append(action), drained(action))
    return stage


def changes(stage):
    return [action for action in stage.became if isinstance(action, UpdateAgent)]


def test_after_a_time_and_once():
    stage = stage_with(LATE)
    stage.run(59)
    assert changes(stage) == []
    stage.run(120)
    assert changes(stage) == [UpdateAgent("", {"instructions": "Come to an end."})]
    assert [event.data for event in stage.told if event.type == "rule"] == [{"number": 1}]


def test_when_the_caller_says_so():
    stage = stage_with(LATE, ANGRY)
    stage.hears(Transcript("assistant", "a", "Shall I call the manager?"))
    stage.hears(Transcript("user", "u", "You are managerial."))
    assert changes(stage) == []
    stage.hears(Transcript("user", "u", "I want your Manager now"))
    stage.hears(Transcript("user", "u", "the manager!"))
    assert changes(stage) == [UpdateAgent("supervisor", {})]


def test_a_call_that_is_over_changes_no_more():
    stage = stage_with(LATE)
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    stage.run(120)
    assert changes(stage) == []
    assert stage.call.deadline() is None


@pytest.mark.parametrize(
    "rule", [{}, {"after_seconds": 1}, {"hears": "x", "after_seconds": 1, "agent": "a"}, {"hears": "(", "agent": "a"}]
)
def test_rules_that_cannot_be(rule):
    with pytest.raises(ValidationError):
        AgentDefinition.model_validate({"rules": [rule]})
