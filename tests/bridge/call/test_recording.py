"""Whether a call is recorded, on a fake clock."""

import pytest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.actions import RecordingCommand
from gateway.bridge.call.recording import State
from gateway.outcomes import Outcome
from gateway.realtime import SpeechStarted, Transcript
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


class Asked(Taped):
    """A call whose caller is asked whether they agree."""

    def __init__(self, **consent):
        rules = {"start": "answer", "announcement": "Recorded. One for yes.", "consent": consent}
        super().__init__(talking=False, **rules)
        self.do(self.call.setup.agent_ready, "acme")
        self.do(self.call.setup.confirmed)

    @property
    def answers(self):
        asked = [event.data for event in self.told if event.type == "consent"]
        return [(data["answer"], data["by"], data["said"]) for data in asked]

    def says(self, text):
        self.hears(Transcript("user", "item", text))

    @property
    def greeted(self):
        return ("say", "Hello.") in self.log


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        (lambda asked: asked.do(asked.call.digit, "1"), ("yes", "key", "1")),
        (lambda asked: asked.says("Yes, go ahead."), ("yes", "word", "Yes, go ahead.")),
        (lambda asked: asked.do(asked.call.digit, "2"), ("no", "key", "2")),
        (lambda asked: asked.says("I don't want that"), ("no", "word", "I don't want that")),
    ],
)
def test_nothing_is_recorded_without_a_yes(reply, answer):
    asked = Asked()
    asked.plays_out()
    assert (asked.tape, asked.greeted, asked.call.record()["recording"]) == ([], False, "asking")
    reply(asked)
    assert asked.answers == [answer]
    assert asked.tape == (["start"] if answer[0] == "yes" else [])
    assert asked.greeted
    record = asked.call.record()["consent"]
    assert (record["answer"], record["text"], len(record["version"])) == (answer[0], "Recorded. One for yes.", 8)
    assert record["at"] == pytest.approx(1010.0)
    assert any(entry[0] == "add_text" and "[CONSENT]" in entry[1] for entry in asked.log)


def test_who_says_nothing_is_asked_again_and_has_then_not_agreed():
    asked = Asked(seconds=5, version="2026-11")
    asked.plays_out()
    asked.says("What?")
    asked.do(asked.call.digit, "7")
    asked.run(5)
    assert [entry[1] for entry in asked.log if entry[0] == "announce"] == [b"Recorded. One for yes."] * 2
    asked.plays_out()
    asked.run(5)
    assert asked.answers == [("none", "silence", "")]
    assert (asked.tape, asked.greeted, asked.call.record()["consent"]["version"]) == ([], True, "2026-11")


def test_a_key_that_comes_early_counts_when_all_was_heard():
    asked = Asked()
    asked.do(asked.call.digit, "1")
    assert (asked.tape, asked.answers) == ([], [])
    asked.plays_out()
    assert asked.tape == ["start"]


def test_what_the_model_makes_of_the_answer_is_not_heard():
    asked = Asked()
    asked.plays_out()
    asked.speaks()
    assert asked.leg.queued == 0
    asked.do(asked.call.digit, "1")
    assert ("interrupt", False) in asked.log
    asked.speaks()
    assert asked.leg.queued > 0


def test_a_no_may_be_the_end():
    asked = Asked(without="hang_up", refused="Then we cannot go on.")
    asked.plays_out()
    asked.do(asked.call.digit, "2")
    assert not asked.finished
    asked.plays_out()
    assert (asked.finished, asked.call.stats.outcome, asked.greeted) == (True, Outcome.CONSENT_REFUSED, False)


def test_one_that_a_tool_asks_for_gives_the_word_back_afterwards():
    taped = Taped(announcement="Recorded?", consent={})
    assert taped.asks("start") == "done"
    taped.plays_out()
    taped.do(taped.call.digit, "1")
    assert taped.tape == ["start"]
    assert taped.log[-1] == ("create_response", "")


def test_a_caller_who_is_being_asked_is_not_asked_whether_they_are_there():
    asked = Asked(seconds=50)
    asked.call.agent.definition.__dict__["no_input"] = AgentDefinition(no_input={"seconds": 3}).no_input
    asked.plays_out()
    asked.run(20)
    assert "no_input" not in asked.kinds()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"consent": {}}, "needs an announcement"),
        ({"announcement": "x", "consent": {"yes_keys": "12", "no_keys": "2"}}, "2 cannot be yes and no"),
        ({"announcement": "x", "consent": {"yes_keys": ""}}, "needs transcription"),
    ],
)
def test_a_consent_that_nobody_could_give_is_refused(given, says):
    with pytest.raises(ValueError, match=says):
        AgentDefinition(recording=given)
