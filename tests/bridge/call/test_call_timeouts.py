import pytest

from gateway.agents import Agent
from gateway.bridge.call.call_timeouts import GOODBYE_SECONDS
from gateway.call_record import CallState
from gateway.realtime import SpeechStarted, SpeechStopped
from tests.bridge.call.test_call import AGENT, Stage


def stage_with(**update):
    definition = AGENT.definition.model_validate({**AGENT.definition.model_dump(), **update})
    return Stage(agent=Agent(AGENT.name, AGENT.source, definition, AGENT.tools))


def asked(stage):
    return [words for verb, *rest in stage.log if verb == "say" for words in rest]


RULES = {"seconds": 10, "says": "Hello?", "times": 2, "goodbye": "Bye."}


def test_silence_is_asked_about_and_then_it_ends():
    stage = stage_with(no_input=RULES)
    for _ in range(2):
        stage.run(9)
        stage.run(2)
        stage.speaks()
        stage.plays_out()
    assert asked(stage) == ["Hello?"] * 2
    stage.run(11)
    assert asked(stage)[-1] == "Bye."
    assert not stage.finished
    stage.speaks()
    stage.plays_out()
    stage.run(1)
    assert stage.call.record()["outcome"] == "no_input"


@pytest.mark.parametrize("sign", ["speech", "key"])
def test_who_is_heard_is_not_asked_and_the_count_begins_anew(sign):
    stage = stage_with(no_input=RULES)
    stage.run(11)
    for _ in range(3):
        stage.run(5)
        if sign == "key":
            stage.do(stage.call.digit, "#")
        else:
            stage.hears(SpeechStarted(0))
            stage.run(30)  # a long turn
            stage.hears(SpeechStopped(30000))
        stage.plays_out()
    assert [words for words in asked(stage) if words] == ["Hello?"]
    stage.run(11)
    assert [event.data["times"] for event in stage.told if event.type == "no_input"] == [1, 1]


def test_one_who_answers_the_goodbye_stays():
    stage = stage_with(no_input={**RULES, "times": 0})
    stage.run(11)
    assert asked(stage) == ["Bye."]
    stage.hears(SpeechStarted(0))
    stage.run(GOODBYE_SECONDS * 2)
    assert not stage.finished


def test_while_somebody_speaks_or_works_nobody_is_asked():
    stage = stage_with(no_input=RULES)
    stage.speaks()
    stage.run(30)  # a long sentence
    stage.plays_out()
    stage.calls("opening_hours")
    stage.run(30)
    stage.do(stage.call.tools.done, "c1", "opening_hours", "{}")
    stage.call.put_on_hold(True, stage.now)
    stage.run(30)
    assert asked(stage) == []


@pytest.mark.parametrize(("says", "waits"), [("", 0), ("Time is up.", GOODBYE_SECONDS)])
def test_a_call_ends_after_its_time(says, waits):
    stage = stage_with(max_seconds=60, max_seconds_says=says)
    stage.run(59)
    assert not stage.finished
    stage.run(1)
    assert stage.finished is (not waits)
    stage.hears(SpeechStarted(0))  # changes nothing
    stage.run(waits + 1)
    assert stage.call.record()["outcome"] == "max_duration"
    assert asked(stage) == ([f"{says}"] if says else [])


def test_without_such_rules_a_call_may_be_silent_for_ever():
    stage = stage_with()
    stage.run(86400)
    assert not stage.finished
    assert asked(stage) == []


def test_who_talks_with_somebody_else_by_then_is_not_cut_off():
    stage = stage_with(max_seconds=60)
    stage.call.state = CallState.BRIDGED
    stage.run(120)
    assert not stage.finished
