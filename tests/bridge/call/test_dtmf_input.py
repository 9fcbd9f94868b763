"""Keys within a call; what the model makes of them is in `test_call.py`."""

from gateway.agents import Agent
from gateway.bridge.call.dtmf_input import DIGITS_SECONDS
from gateway.call_record import CallState
from tests.bridge.call.test_call import AGENT, Stage


def pressed(*digits, keys="text", seconds=0.5):
    stage = Stage(agent=Agent("eve", "", AGENT.definition.model_copy(update={"keys": keys}), {}))
    for digit in digits:
        stage.do(stage.call.digit, digit)
        stage.run(seconds)
    return stage


def test_keys_that_follow_each_other_are_one_text():
    stage = pressed("4", "2")
    assert stage.verbs() == ["flush", "interrupt"]  # the agent is interrupted once
    assert stage.kinds()[-2:] == ["dtmf", "dtmf"]
    stage.run(DIGITS_SECONDS - 0.6)
    assert "add_text" not in stage.verbs()
    stage.run(0.2)
    assert stage.log[-2:] == [("add_text", "[DTMF] 42"), ("create_response", "")]


def test_a_hash_hands_them_over_at_once():
    assert ("add_text", "[DTMF] #") in pressed("#", seconds=0).log


def test_a_call_that_is_busy_otherwise_gets_none():
    stage = pressed("1")
    stage.call.state = CallState.TRANSFERRING
    stage.run(9)
    stage.do(stage.call.digit, "2")
    assert "add_text" not in stage.verbs()


def test_keys_may_be_events_alone():
    stage = pressed("4", keys="event", seconds=3)
    assert not {"interrupt", "add_text"} & set(stage.verbs())
    assert (stage.told[-1].type, stage.told[-1].data) == ("dtmf", {"digit": "4"})
