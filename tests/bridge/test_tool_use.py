"""What the agent does with its tools: at once, elsewhere, or when its words have been heard."""

import pytest

from gateway.agents import Agent
from gateway.bridge.tool_use import ANNOUNCEMENT_SECONDS
from gateway.bridge.transfer import LAST_WORD_SECONDS
from gateway.realtime import SpeechStarted
from tests.bridge.test_call import AGENT, Stage


def test_hanging_up_waits_until_the_goodbye_was_heard():
    stage = Stage()
    stage.speaks()
    stage.calls("hang_up")
    stage.run(5)
    assert "hang_up" not in stage.verbs()
    stage.plays_out()
    stage.run(LAST_WORD_SECONDS / 2)
    assert "hang_up" not in stage.verbs()
    stage.run(LAST_WORD_SECONDS)
    assert ("hang_up", "agent hung up") in stage.log
    assert stage.call.record()["outcome"] == "agent_hung_up"


def test_without_a_word_it_hangs_up_at_once():
    stage = Stage()
    stage.calls("hang_up")
    stage.run(0)
    assert stage.finished


def test_a_caller_who_speaks_up_stops_the_hang_up():
    stage = Stage()
    stage.speaks()
    stage.calls("hang_up")
    stage.hears(SpeechStarted(1))
    stage.run(ANNOUNCEMENT_SECONDS * 2)
    assert not stage.finished
    assert ("tool_output", "c1", '{"error":"the caller spoke first, so the call goes on"}', False) in stage.log


def test_a_held_call_is_not_waited_for_for_ever():
    stage = Stage()
    stage.speaks()
    stage.calls("hang_up")
    stage.run(ANNOUNCEMENT_SECONDS + 1)
    assert stage.finished


def test_a_transfer_survives_a_word_of_thanks():
    stage = Stage()
    stage.speaks()
    stage.calls("transfer_call", '{"target": "support"}')
    stage.hears(SpeechStarted(1))
    stage.run(0)
    assert ("transfer", "sip:support@gw") in stage.log


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("transfer_call", '{"target": "the moon"}', "one of: sales, support, billing"),
        ("transfer_call", "{}", "one of"),
        ("transfer_call", "{", "not valid JSON"),
        ("transfer_call", '{"target": ["sales"]}', "one of"),
        ("launch_rockets", "{}", "there is no such tool"),
    ],
)
def test_a_tool_call_that_is_wrong_is_answered(name, arguments, says):
    stage = Stage()
    stage.calls(name, arguments)
    verb, call_id, output, respond = stage.log[-1]
    assert (verb, call_id, respond) == ("tool_output", "c1", True)
    assert says in output
    assert not stage.finished


def test_only_one_ending_at_a_time():
    stage = Stage()
    stage.speaks()
    stage.calls("hang_up", call_id="c1")
    stage.calls("transfer_call", '{"target": "sales"}', call_id="c2")
    assert stage.log[-1][:2] == ("tool_output", "c2")
    assert "already" in stage.log[-1][2]


def test_functions_of_the_agent_run_outside_and_come_back():
    stage = Stage()
    stage.calls("opening_hours")
    (tool,) = stage.tools
    assert (tool.tool.name, tool.call_id) == ("opening_hours", "c1")
    stage.do(stage.call.tools.done, "c1", "opening_hours", "{}")
    assert stage.log[-1] == ("tool_output", "c1", "{}", True)
    stage.do(stage.call.leg_ended, "bye", "")
    stage.do(stage.call.tools.done, "c1", "opening_hours", "too late")
    assert stage.verbs().count("tool_output") == 1


def test_keys_are_pressed_for_the_model():
    stage = Stage()
    stage.calls("send_digits", '{"digits": "12#"}')
    assert "no such tool" in stage.told[-1].data["output"]  # this agent may not
    definition = AGENT.definition.model_copy(update={"tools": ("send_digits",)})
    stage.call.agent = Agent(AGENT.name, AGENT.source, definition, AGENT.tools)
    stage.calls("send_digits", '{"digits": "12#"}', "c2")
    assert ("send_digits", "12#") in stage.log
    stage.calls("send_digits", '{"digits": "call me"}', "c3")
    assert "1 to 40 keys" in stage.told[-1].data["output"]
