"""What all parts of a call have in common."""

import orjson
import pytest

from gateway.agents import Agent
from gateway.bridge.call.call import NEXT, Call
from gateway.bridge.call.part import HOOKS, LAST_WORD_SECONDS, Part, TransferRequest
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import AudioDelta, SpeechStarted, ToolCall
from tests.bridge.call.test_call import AGENT, Stage
from tests.bridge.fakes import FakeLeg


def in_the_middle_of_everything():
    rules = [{"after_seconds": 60, "agent": "receptionist"}, {"hears": "human", "agent": "receptionist"}]
    tools = (*AGENT.definition.tools, "collect_digits")
    update = {"rules": rules, "tools": tools, "max_seconds": 600, "no_input": {"seconds": 10, "says": "Hello?"}}
    definition = AGENT.definition.model_validate({**AGENT.definition.model_dump(), **update})
    stage = Stage(agent=Agent("eve", "", definition, AGENT.tools))
    stage.hears(SpeechStarted(100, "item_9"))
    stage.do(stage.call.digit, "4")
    stage.calls("opening_hours", call_id="c1")
    stage.calls("collect_digits", '{"name": "account", "max_digits": 9}', "c2")
    stage.call.commands.do("hold", {}, stage.now)
    stage.call.commands.do("mute", {"who": "agent"}, stage.now)
    stage.do(stage.call.refer, "sip:boss@pbx", "", "<sip:ann@h>")
    return stage


def test_the_state_of_a_call_is_plain_json_and_comes_back_as_it_was():
    stage = in_the_middle_of_everything()
    found = stage.call.snapshot(stage.now)
    assert orjson.loads(orjson.dumps(found)) == found
    parts = found["parts"]
    assert parts["hold"] == {"reasons": ["gateway"]}
    assert parts["mute"] == {"muted": ["agent"]}
    assert parts["tools"]["running"] == ["c1"]
    assert parts["dtmf_input"]["collecting"]["name"] == "account"
    assert parts["rules"] == {"left": [0, 1]}
    assert parts["follow_refer"]["target"] == "sip:boss@pbx"
    assert found["turns"].keys() == {"item_9"}
    assert ["rules", "0", 60.0] in found["timers"]
    assert {part for part, _, _ in found["timers"]} == {"rules", "dtmf_input", "timeouts", "fallback"}


def test_so_is_that_of_a_transfer_and_of_one_that_is_announced():
    stage = Stage()
    stage.speaks()
    stage.calls("transfer_call", '{"target": "billing"}')
    announced = stage.call.snapshot(stage.now)["parts"]["tools"]["announced"]
    assert announced["transfer"]["target"] == "sip:billing@gw"
    stage.plays_out()
    stage.run(LAST_WORD_SECONDS)
    found = stage.call.snapshot(stage.now)
    assert orjson.loads(orjson.dumps(found)) == found
    assert found["parts"]["transfer"]["stage"] == "referring"
    assert found["state"] == "transferring"


def test_every_part_says_its_state_and_has_a_name_of_its_own():
    stage = in_the_middle_of_everything()
    parts = (*stage.call._parts, *stage.call._errands())
    assert len({part.name for part in parts}) == len(parts)
    assert all(type(part).snapshot is not Part.snapshot for part in parts)


def test_every_hook_is_heard_by_somebody_and_in_the_order_of_the_parts():
    call = Call(Stage().call.info, FakeLeg([]), 0.0, 0.0)
    for hook in HOOKS:
        heard = [one.__self__ for one in call._hooks[hook]]
        assert heard
        assert heard == [part for part in call._parts if part in heard]


def test_a_call_that_has_ended_has_no_timers_and_sets_none():
    stage = in_the_middle_of_everything()
    stage.call.hang_up(Outcome.NODE_STOPPED, stage.now)
    assert stage.call.deadline() is None
    stage.call.tools.wake("slow", stage.now + 1)
    stage.do(stage.call.tools.done, "c1", "opening_hours", "{}")
    assert stage.call.deadline() is None


def test_a_state_that_cannot_follow_is_a_fault_of_ours():
    stage = Stage(talking=False)
    with pytest.raises(AssertionError, match="cannot follow"):
        stage.call._enter(CallState.BRIDGED)
    assert set(NEXT) == set(CallState)


def test_what_is_asked_of_a_call_too_late_does_nothing():
    stage = Stage()
    stage.call.hang_up(Outcome.NODE_STOPPED, stage.now)
    stage.drain()
    told = len(stage.told)
    stage.do(stage.call.begin_transfer, TransferRequest("billing", "sip:billing@gw"))
    stage.hears(AudioDelta("item_1", 0, bytes(960)))
    stage.do(lambda now: stage.call.answer_tool(ToolCall("c1", "f", ""), "late", now))
    assert len(stage.told) == told
