from gateway.bridge.reasons import OURS
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import AudioDelta
from tests.bridge.call.test_call import AGENT, Stage


def ringing():
    return Stage(talking=False)


def test_the_answer_waits_for_the_agent_and_the_greeting_for_the_ack():
    stage = ringing()
    stage.run(0.3)
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.verbs()[-1] == "answer"
    stage.run(0.1)
    stage.do(stage.call.setup.confirmed)
    assert stage.log[-1][0] == "say"
    stage.run(0.2)
    stage.hears(AudioDelta("i", 0, bytes(960)))
    stage.hears(AudioDelta("i", 0, bytes(960)))
    record = stage.call.record()
    assert record["stages"] == {"session_ms": 300.0, "answered_ms": 300.0, "first_audio_ms": 600.0}
    assert record["providers"] == ["acme"]


def test_an_early_answer_is_followed_by_the_greeting():
    stage = ringing()
    stage.run(1.0)
    stage.do(stage.call.setup.answer_early)
    stage.do(stage.call.setup.confirmed)
    assert stage.call.state is CallState.ANSWERED
    assert "say" not in stage.verbs()
    stage.run(3.0)
    assert stage.log[-1] == ("play_music", True)
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.log[-2:] == [("play_music", False), ("say", stage.log[-1][1])]
    assert stage.verbs().count("answer") == 1
    stage.do(stage.call.setup.answer_early)  # too late to mean anything
    assert stage.verbs().count("answer") == 1


def test_after_an_early_answer_nobody_may_come():
    stage = ringing()
    stage.do(stage.call.setup.answer_early)
    stage.do(stage.call.setup.confirmed)
    stage.do(lambda now: stage.call.setup.agent_missing("nobody is there", now))
    assert stage.finished
    assert stage.call.record()["outcome"] == "provider_unreachable"
    assert AGENT.definition.on_provider_failure.play == ""


def test_a_bug_after_an_early_answer_does_not_leave_the_caller_alone():
    stage = ringing()
    stage.do(stage.call.setup.answer_early)
    stage.do(lambda now: stage.call.refuse(RuntimeError("oops"), OURS, now))
    assert stage.finished
    assert stage.call.record()["outcome"] == "internal_error"
    assert "hang_up" in stage.verbs()


def test_at_once_the_call_is_answered_before_there_is_an_agent():
    stage = Stage(talking=False, answers="at_once")
    assert stage.verbs()[-1] == "answer"
    assert stage.call.state is CallState.ANSWERED
    stage.do(stage.call.setup.confirmed)
    assert "say" not in stage.verbs()
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.log[-1][0] == "say"


def test_it_rings_as_long_as_its_trunk_wants_however_soon_the_agent_is_there():
    stage = Stage(talking=False, rings_seconds=2.0)
    stage.run(0.5)
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.call.state is CallState.RINGING
    stage.run(1.4)
    assert "answer" not in stage.verbs()
    stage.run(0.2)
    assert (stage.verbs()[-1], stage.call.state) == ("answer", CallState.ANSWERED)
    stage.do(stage.call.setup.confirmed)
    assert stage.log[-1][0] == "say"


def test_after_that_while_an_agent_that_is_late_answers_when_it_comes():
    stage = Stage(talking=False, rings_seconds=1.0)
    stage.run(3.0)
    assert stage.call.state is CallState.RINGING
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.verbs()[-1] == "answer"


def test_at_once_after_a_while_of_ringing_and_a_caller_who_has_gone_by_then():
    stage = Stage(talking=False, answers="at_once", rings_seconds=1.0)
    stage.run(0.9)
    assert "answer" not in stage.verbs()
    stage.run(0.2)
    assert stage.verbs().count("answer") == 1
    gone = Stage(talking=False, answers="at_once", rings_seconds=1.0)
    gone.do(lambda now: gone.call.leg_ended(Outcome.CANCELLED, "", now))
    gone.run(2)
    assert "answer" not in gone.verbs()
