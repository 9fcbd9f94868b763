from gateway.agents import Agent
from gateway.bridge.call.actions import DialSecondLeg
from gateway.outcomes import Outcome
from gateway.realtime import AudioDelta, Broken, Lost, ResponseDone, Restored
from tests.bridge.call.test_call import AGENT, Progress, Stage

SOUND = bytes(4800)


def stage_for(prompt=SOUND, talking=True, **on_provider_failure):
    definition = AGENT.definition.model_copy(
        update={"on_provider_failure": AGENT.definition.on_provider_failure.model_copy(update=on_provider_failure)}
    )
    return Stage(talking, Agent(AGENT.name, AGENT.source, definition, AGENT.tools), prompt)


def test_without_a_rule_the_call_ends():
    stage = stage_for(prompt=None)
    stage.hears(Lost("nobody is there"))
    assert stage.finished
    assert stage.told[-1].data["problem"] == "nobody is there"
    assert stage.call.record()["outcome"] == "provider_lost"


def test_a_prompt_is_heard_and_then_it_ends():
    stage = stage_for()
    stage.hears(Lost("nobody is there"))
    assert stage.kinds()[-1] == "agent_lost"
    assert stage.leg.queued == len(SOUND)
    stage.run(5)
    assert not stage.finished
    stage.plays_out()
    stage.run(1)
    assert stage.finished
    assert stage.call.record()["outcome"] == "provider_lost"


def test_somebody_else_takes_the_call():
    stage = stage_for(prompt=None, forward="sip:desk@{{called_host}}")
    stage.hears(Lost("nobody is there"))
    assert stage.log[-1] == ("transfer", "sip:desk@gw")
    stage.do(stage.call.transfer_moved, Progress(200, "OK", done=True))
    assert stage.call.record()["outcome"] == "transferred"


def test_where_that_fails_too_it_ends():
    stage = stage_for(prompt=None, forward="sip:desk@gw")
    stage.hears(Lost("nobody is there"))
    stage.do(stage.call.transfer_moved, Progress(486, "Busy Here", done=True))
    assert stage.finished
    assert [event.type for event in stage.told[-2:]] == ["transfer_failed", "ended"]
    assert stage.call.record()["outcome"] == "provider_lost"


def test_a_caller_who_has_no_agent_from_the_start_is_answered_all_the_same():
    stage = stage_for(talking=False)
    taken = []
    stage.do(lambda now: taken.append(stage.call.setup.agent_missing("nobody is there", now)))
    assert taken == [True]
    assert "answer" in stage.verbs()
    stage.do(stage.call.setup.confirmed)
    assert "create_response" not in stage.verbs()  # there is nobody to greet
    stage.plays_out()
    stage.run(1)
    assert stage.finished
    other = stage_for(prompt=None, talking=False)
    other.do(lambda now: taken.append(other.call.setup.agent_missing("nobody is there", now)))
    assert taken == [True, False]
    assert "answer" not in other.verbs()


def test_a_gap_is_filled_with_music_and_told():
    stage = stage_for()
    stage.hears(Broken("acme", "the provider closed the connection (code 1006)"))
    assert ("play_music", True) not in stage.log
    stage.run(2.5)
    assert stage.log[-1] == ("play_music", True)
    stage.hears(Restored("other", 2.6, 3))
    assert stage.log[-1] == ("play_music", False)
    assert [event.type for event in stage.told[-2:]] == ["provider_broken", "provider_restored"]
    assert stage.told[-1].data == {"provider": "other", "seconds": 2.6, "attempts": 3}
    record = stage.call.record()
    assert (record["reconnects"], record["provider"], record["providers"]) == (1, "other", ["acme", "other"])


def test_a_caller_who_hangs_up_meanwhile_is_not_called_back():
    stage = stage_for(forward="sip:desk@gw")
    stage.hears(Lost("nobody is there"))
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    stage.run(5)
    assert stage.call.record()["outcome"] == "caller_hung_up"
    assert not [action for action in stage.call.actions() if isinstance(action, DialSecondLeg)]


def test_after_a_response_of_which_nothing_came_the_caller_hears_something_within_two_seconds():
    stage = stage_for()
    stage.hears(AudioDelta("a", 0, bytes(480)))
    stage.hears(ResponseDone("r", "failed", problem="no", spoke=False))
    stage.run(1.9)
    assert stage.log[-1] == ("play_music", True)
    stage.hears(AudioDelta("b", 0, bytes(480)))
    assert ("play_music", False) in stage.log


def test_a_greeting_that_does_not_come_is_waited_for_with_music():
    stage = stage_for()
    stage.run(2.5)
    assert ("play_music", True) not in stage.log
    stage.run(1.0)
    assert ("play_music", True) in stage.log


def test_words_that_come_in_time_are_not_followed_by_music():
    stage = stage_for()
    stage.hears(AudioDelta("a", 0, bytes(480)))
    stage.run(10)
    assert not [verb for verb in stage.log if verb[0] == "play_music"]
