"""Who gives way when both speak, on a fake clock."""

import pytest
from pydantic import ValidationError

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.barge_in import LONGEST_SECONDS, TRANSCRIPT_SECONDS, turn_detection
from gateway.outcomes import Outcome
from gateway.realtime import SpeechStarted, SpeechStopped, Transcript
from tests.bridge.call.test_call import Stage


class Talk(Stage):
    """A call in which the agent is speaking; `barge_in` as its file says it."""

    def __init__(self, speaking=True, **barge_in):
        definition = AgentDefinition(barge_in=barge_in, transcription={"model": "any"}, tools=("hang_up",))
        super().__init__(agent=Agent("eve", "eve.yaml", definition, {}))
        if speaking:
            self.speaks()

    def starts(self):
        self.hears(SpeechStarted(0))

    def stops(self):
        self.hears(SpeechStopped(0))

    def says(self, text):
        self.hears(Transcript("user", "u1", text))


def test_stop_is_what_it_was():
    talk = Talk()
    talk.starts()
    assert talk.verbs() == ["flush", "interrupt"]
    talk.stops()
    assert "create_response" not in talk.verbs()  # the provider's own business


def test_a_word_ends_what_was_paused_and_is_answered():
    talk = Talk(mode="resume")
    talk.starts()
    assert talk.log == [("pause", True)]
    talk.stops()
    talk.says("wait")
    assert talk.verbs()[1:] == ["flush", "interrupt", "create_response"]
    assert talk.kinds()[-1] == "interrupted"
    talk.run(TRANSCRIPT_SECONDS + 1)
    assert ("pause", False) not in talk.log


def test_after_a_cough_it_goes_on_where_it_was():
    talk = Talk(mode="resume")
    talk.starts()
    talk.stops()
    talk.says("")
    assert talk.log == [("pause", True), ("pause", False)]
    assert talk.kinds()[-2:] == ["speech_stopped", "resumed"]
    assert talk.call.stats.interruptions == 0
    talk.starts()  # and may be interrupted as before
    assert talk.log[-1] == ("pause", True)


def test_without_a_transcript_nothing_was_said_but_late_words_are_answered():
    talk = Talk(mode="resume")
    talk.starts()
    talk.stops()
    talk.run(TRANSCRIPT_SECONDS - 0.1)
    assert talk.log == [("pause", True)]
    talk.run(0.2)
    assert talk.log[-1] == ("pause", False)
    talk.says("hello?")
    assert talk.verbs()[-3:] == ["flush", "interrupt", "create_response"]


def test_who_speaks_again_before_it_is_known_keeps_the_floor():
    talk = Talk(mode="resume")
    talk.starts()
    talk.stops()
    talk.run(TRANSCRIPT_SECONDS - 0.1)
    talk.starts()
    talk.run(10)
    assert talk.log == [("pause", True)]
    talk.stops()
    talk.says("")
    assert talk.log[-1] == ("pause", False)


def test_where_nobody_was_interrupted_an_answer_needs_no_transcript():
    talk = Talk(speaking=False, mode="resume")
    talk.starts()
    talk.stops()
    assert talk.verbs() == ["flush", "interrupt", "create_response"]
    talk.says("what are your opening hours")
    assert talk.verbs().count("create_response") == 1


@pytest.mark.parametrize(("lasts", "interrupted"), [(0.1, False), (0.3, True)])
def test_a_debounce_lets_short_noises_pass_while_the_agent_is_heard(lasts, interrupted):
    talk = Talk(debounce_ms=200)
    talk.starts()
    assert talk.log == []
    talk.run(lasts)
    talk.stops()
    talk.run(1)
    assert ("interrupt" in talk.verbs()) is interrupted


def test_a_silent_agent_needs_no_debounce():
    talk = Talk(speaking=False, debounce_ms=200)
    talk.starts()
    assert "interrupt" in talk.verbs()


@pytest.mark.parametrize("mode", ["stop", "resume"])
def test_our_own_ears_are_believed_at_once_and_the_provider_has_to_be_told(mode):
    talk = Talk(mode=mode, debounce_ms=200, local_ms=60)
    talk.do(talk.call.speech_heard)
    assert talk.log[0] == (("flush",) if mode == "stop" else ("pause", True))
    if mode == "stop":
        assert talk.log[1] == ("interrupt", False)


def test_a_call_that_ends_while_it_is_paused_ends():
    talk = Talk(mode="resume")
    talk.starts()
    talk.do(talk.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    talk.run(60)
    assert talk.finished
    assert ("pause", False) not in talk.log


def test_a_goodbye_is_not_paused_but_stopped():
    talk = Talk(mode="resume")
    talk.calls("hang_up")
    talk.starts()
    assert talk.verbs()[:2] == ["flush", "interrupt"]
    assert "the caller spoke first" in talk.told[-1].data["output"]


def test_what_the_provider_is_asked_for():
    def asked(**barge_in):
        return turn_detection(AgentDefinition(barge_in=barge_in, transcription={"model": "any"}))

    assert (asked()["interrupt_response"], asked()["create_response"]) == (True, True)
    assert (asked(debounce_ms=1)["interrupt_response"], asked(debounce_ms=1)["create_response"]) == (False, True)
    resume = asked(mode="resume")
    assert (resume["interrupt_response"], resume["create_response"]) == (False, False)


def test_a_word_for_it_and_what_it_needs():
    assert AgentDefinition(barge_in="resume", transcription={"model": "any"}).barge_in.mode == "resume"
    with pytest.raises(ValidationError, match="needs transcription"):
        AgentDefinition(barge_in="resume")
    with pytest.raises(ValidationError, match="barge_in"):
        AgentDefinition(barge_in="shout")


def test_a_provider_that_forgets_to_tell_the_end_of_the_turn_does_not_leave_the_agent_mute():
    talk = Talk(mode="resume")
    talk.starts()
    talk.run(LONGEST_SECONDS + 1)
    assert talk.log == [("pause", True), ("pause", False)]
    assert talk.kinds()[-1] == "resumed"
    talk.says("wait")  # words that come after all end it
    assert "interrupt" in talk.verbs()
