"""Whether a call is recorded, on a fake clock."""

import pytest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.actions import RecordingCommand
from gateway.bridge.call.recording import State
from gateway.outcomes import Outcome
from gateway.realtime import SpeechStarted
from tests.bridge.call.test_call import Stage


class Taped(Stage):
    """A call; `tape` is what the line was asked for."""

    def __init__(self, greeting="Hello.", talking=True, **recording):
        self.tape = []
        definition = AgentDefinition(greeting=greeting, recording=recording, tools=("recording",))
        super().__init__(talking=talking, agent=Agent("eve", "eve.yaml", definition, {}))

    def perform(self, action):
        if isinstance(action, RecordingCommand):
            self.tape.append(action.what)
        super().perform(action)

    def asks(self, action):
        self.calls("recording", f'{{"action": "{action}"}}', call_id=f"c{len(self.told)}")
        return next(event.data["output"] for event in reversed(self.told) if event.type == "tool_output")


def test_nobody_records_who_was_not_asked():
    taped = Taped()
    taped.do(taped.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert taped.tape == []


def test_from_the_answer_to_the_end():
    taped = Taped(start="answer")
    assert taped.tape == ["start"]
    taped.do(taped.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert taped.tape == ["start", "stop"]


def test_the_announcement_is_heard_before_anything_is_recorded_and_before_the_greeting():
    taped = Taped(talking=False, start="answer", announcement="This call is recorded, {{caller_name}}.")
    taped.do(taped.call.setup.agent_ready, "acme")
    taped.do(taped.call.setup.confirmed)
    assert taped.log[-1] == ("announce", b"This call is recorded, Ann.")
    assert taped.tape == []
    taped.hears(SpeechStarted(0))  # and cannot be interrupted
    assert "flush" not in taped.verbs()
    taped.plays_out()
    assert taped.tape == ["start"]
    assert taped.log[-2:] == [("add_text", "This call is recorded, Ann.", "assistant"), ("say", "Hello.")]
    taped.speaks()
    taped.plays_out()
    assert taped.tape == ["start"]
    taped.hears(SpeechStarted(0))
    assert "flush" in taped.verbs()


def test_the_model_pauses_it_for_card_numbers():
    taped = Taped(start="answer")
    assert taped.asks("pause") == "done"
    assert "cannot be told to pause" in taped.asks("pause")
    assert taped.asks("resume") == "done"
    assert taped.asks("stop") == "done"
    assert taped.asks("start") == "done"
    assert "cannot be told to sing" in taped.asks("sing")
    assert taped.tape == ["start", "pause", "resume", "stop", "start"]


def test_one_that_is_asked_for_is_announced_too():
    taped = Taped(announcement="From now on I record.")
    assert taped.asks("start") == "done"
    assert taped.call.recording.state is State.ANNOUNCING
    assert [entry[-1] for entry in taped.log if entry[0] == "tool_output"] == [False]  # the announcement is the answer
    assert ("announce", b"From now on I record.") in taped.log
    taped.plays_out()
    assert taped.tape == ["start"]


@pytest.mark.parametrize("announcement", ["", "Recorded."])
def test_an_end_during_the_announcement_records_nothing(announcement):
    taped = Taped(start="answer", announcement=announcement)
    taped.do(taped.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert taped.tape == ([] if announcement else ["start", "stop"])


def test_a_disk_that_is_full_is_an_event_and_not_the_end():
    taped = Taped(start="answer")
    taped.do(taped.call.recording.failed, "call_1.wav: No space left on device")
    taped.do(taped.call.recording.failed, "again")
    assert [event.data for event in taped.told if event.type == "recording_failed"] == [
        {"problem": "call_1.wav: No space left on device"}
    ]
    assert not taped.finished
    assert taped.call.recording.ask("start", taped.now) == ""


def test_what_is_being_said_is_not_taken_for_the_announcement():
    taped = Taped(announcement="From now on I record.")
    taped.speaks()
    assert taped.asks("start") == "done"
    assert "announce" not in taped.verbs()
    taped.call.session.busy = True
    taped.plays_out()  # the provider is slow: more of the sentence is to come
    assert "announce" not in taped.verbs()
    taped.call.session.busy = False
    taped.speaks()
    taped.plays_out()
    assert taped.log[-1] == ("announce", b"From now on I record.")
    assert taped.tape == []
    taped.plays_out()
    assert taped.tape == ["start"]


def test_keys_do_not_interrupt_the_announcement_either():
    taped = Taped(start="answer", announcement="Recorded.")
    taped.speaks()
    taped.do(taped.call.digit, "1")
    assert "flush" not in taped.verbs()
    taped.plays_out()
    assert taped.tape == ["start"]


def test_without_an_announcement_nothing_is_recorded_and_the_call_goes_on():
    taped = Taped(talking=False, start="answer", announcement="Recorded.")
    taped.sounds["Recorded."] = (b"", "", "no voice is installed")
    taped.do(taped.call.setup.agent_ready, "acme")
    taped.do(taped.call.setup.confirmed)
    assert taped.call.recording.state is State.OFF
    assert [event.data for event in taped.told if event.type == "prompt_failed"] == [
        {"problem": "no voice is installed"}
    ]
    (failed,) = [event.data["problem"] for event in taped.told if event.type == "recording_failed"]
    assert "could not be said" in failed
    assert taped.log[-1] == ("say", "Hello.")
    assert "start" not in taped.tape


def test_one_that_is_stopped_while_it_is_announced_does_not_begin():
    taped = Taped(announcement="From now on I record.")
    assert taped.asks("start") == "done"
    assert taped.asks("stop") == "done"
    taped.plays_out()
    assert taped.tape == []
