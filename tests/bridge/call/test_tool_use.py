"""What the agent does with its tools: at once, elsewhere, or when its words have been heard."""

import pytest

from gateway.agents import Agent
from gateway.bridge.call.part import LAST_WORD_SECONDS
from gateway.bridge.call.tool_use import ANNOUNCEMENT_SECONDS, MAX_AT_ONCE, MAX_CALLS, UpdateAgent
from gateway.outcomes import Outcome
from gateway.realtime import ResponseDone, Reverted, SpeechStarted, ToolCall
from tests.bridge.call.test_call import AGENT, Stage


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
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
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


def stage_with(*tools, **update):
    definition = AGENT.definition.model_validate({**AGENT.definition.model_dump(), "tools": tools, **update})
    return Stage(agent=Agent(AGENT.name, AGENT.source, definition, AGENT.tools))


def outputs(stage):
    return [event.data["output"] for event in stage.told if event.type == "tool_output"]


def test_hold_and_back():
    stage = stage_with("hold")
    stage.calls("hold", '{"on": true}')
    assert [entry for entry in stage.log if entry[0] in ("hold", "mute_input")] == [
        ("hold", True),
        ("mute_input", True),
    ]
    assert stage.log[-1] == ("tool_output", "c1", "on hold", False)  # there is nobody to speak to
    stage.calls("hold", '{"on": false}', "c2")
    assert ("hold", False) in stage.log
    assert stage.log[-1] == ("tool_output", "c2", "back", True)


def test_what_came_of_the_call():
    stage = stage_with("set_disposition", dispositions=("sold", "call back"))
    stage.calls("set_disposition", '{"disposition": "stolen"}')
    assert "one of: sold, call back" in outputs(stage)[0]
    stage.calls("set_disposition", '{"disposition": "sold", "note": "two"}', "c2")
    assert stage.call.record()["disposition"] == "sold"
    event = next(event for event in stage.told if event.type == "disposition")
    assert event.data == {"disposition": "sold", "note": "two"}


def test_a_colleague_goes_on():
    stage, became = stage_with("update_agent", update_agent=("sales",)), []
    stage.call.act = lambda action: became.append(action)
    stage.calls("update_agent", '{"agent": "support"}')
    assert "one of: sales" in outputs(stage)[0]
    stage.calls("update_agent", '{"agent": "sales"}', "c2")
    assert became == [UpdateAgent("sales")]
    stage.do(lambda now: stage.call.set_agent(Agent("sales", "", AGENT.definition, {}), now))
    assert stage.call.record()["agent"] == "sales"
    assert stage.told[-1].type == "agent_updated"


def press(stage, keys):
    for key in keys:
        stage.do(stage.call.digit, key)


def test_keys_answer_the_tool_that_waits_for_them():
    stage = stage_with("collect_digits")
    stage.calls("collect_digits", '{"name": "account", "max_digits": 6}')
    press(stage, "12")
    stage.run(5)
    press(stage, "3#")
    assert outputs(stage) == ['{"name":"account","count":3,"digits":"123"}']
    assert stage.call.info.collected["account"] == "123"
    assert "add_text" not in stage.verbs()
    stage.calls("collect_digits", '{"name": "pin", "max_digits": 2}', "c2")
    press(stage, "45")
    assert outputs(stage)[-1] == '{"name":"pin","count":2,"digits":"45"}'
    stage.calls("collect_digits", '{"name": "pin", "max_digits": 2}', "c3")
    stage.calls("collect_digits", '{"name": "pin", "max_digits": 2}', "c4")
    assert "already" in outputs(stage)[-1]
    stage.run(10)
    assert outputs(stage)[-1] == '{"name":"pin","count":0,"digits":""}'
    stage.calls("collect_digits", '{"name": "pin", "max_digits": 99}', "c5")
    assert "1 to 40" in outputs(stage)[-1]


def test_secret_keys_are_told_to_nobody():
    stage = stage_with("collect_digits")
    stage.calls("collect_digits", '{"name": "card", "max_digits": 16, "secret": true}')
    press(stage, "4111111111111111")
    assert outputs(stage) == ['{"name":"card","count":16,"last_four":"1111"}']
    assert {event.data["digit"] for event in stage.told if event.type == "dtmf"} == {"x"}
    assert "4111" not in str(stage.told) + str(stage.log)
    assert stage.call.info.collected["card"] == "4111111111111111"  # for a function of the agent's
    stage.calls("collect_digits", '{"name": "pin", "max_digits": 4, "secret": true}', "c2")
    press(stage, "1234")
    assert outputs(stage)[-1] == '{"name":"pin","count":4,"last_four":""}'  # they would be all of it


def test_a_slow_function_is_bridged_with_words_or_music():
    stage = stage_with("opening_hours", slow_tools={"after_seconds": 2, "says": "One moment.", "music": True})
    stage.calls("opening_hours")
    stage.run(1.5)
    assert "create_response" not in stage.verbs()
    stage.run(1)
    assert ("say", "One moment.") in stage.log
    assert ("play_music", True) in stage.log
    stage.do(stage.call.tools.done, "c1", "opening_hours", "{}")
    assert stage.log[-2:] == [("play_music", False), ("tool_output", "c1", "{}", True)]
    stage.log.clear()
    stage.calls("opening_hours", call_id="c2")
    stage.do(stage.call.tools.done, "c2", "opening_hours", "{}")
    stage.run(5)
    assert "create_response" not in stage.verbs()


def test_of_two_at_once_the_quick_one_does_not_hide_the_slow_one():
    stage = stage_with("opening_hours", slow_tools={"after_seconds": 2, "says": "One moment."})
    calls = tuple(ToolCall(call_id, "opening_hours", "{}") for call_id in ("a", "b"))
    stage.hears(ResponseDone("r1", "completed", calls))
    stage.do(stage.call.tools.done, "a", "opening_hours", "{}")
    stage.run(3)
    assert ("say", "One moment.") in stage.log


def test_a_flood_of_functions_is_answered_and_not_run():
    stage = stage_with("opening_hours", "hang_up")
    calls = tuple(ToolCall(f"c{number}", "opening_hours", "{}") for number in range(20))
    stage.hears(ResponseDone("r1", "completed", calls))
    assert len(stage.tools) == MAX_AT_ONCE
    assert "running already" in outputs(stage)[0]
    for number in range(MAX_AT_ONCE):
        stage.do(stage.call.tools.done, f"c{number}", "opening_hours", "{}")
    for number in range(20, 200):  # one after the other, for ever
        stage.calls("opening_hours", call_id=f"c{number}")
        stage.do(stage.call.tools.done, f"c{number}", "opening_hours", "{}")
    assert len(stage.tools) <= MAX_CALLS
    refused = next(entry for entry in stage.log if entry[0] == "tool_output" and "too many" in entry[2])
    assert refused[3] is False  # the model is not asked to go on
    stage.hears(SpeechStarted(0))
    stage.calls("opening_hours", call_id="late")
    assert stage.tools[-1].call_id == "late"


def test_a_model_that_went_round_in_circles_may_still_hang_up():
    stage = stage_with("opening_hours", "hang_up")
    for number in range(MAX_CALLS + 5):
        stage.calls("opening_hours", call_id=f"c{number}")
        stage.do(stage.call.tools.done, f"c{number}", "opening_hours", "{}")
    stage.calls("hang_up", call_id="end")
    stage.run(1)
    assert stage.finished


def test_an_update_that_the_provider_refuses_leaves_the_call_with_whom_it_was():
    stage = stage_with("hang_up")
    before = stage.call.agent
    stage.do(lambda now: stage.call.set_agent(Agent("sales", "", AGENT.definition, {}), now))
    stage.hears(Reverted(before))
    assert stage.call.agent is before
    assert stage.told[-1].type == "agent_update_refused"
    assert stage.told[-1].data == {"agent": before.name}
    assert stage.call.variables["agent"] == before.name
