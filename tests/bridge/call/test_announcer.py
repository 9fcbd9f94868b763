"""Words that are said exactly, on a fake clock."""

import pytest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.call.actions import MakeSound
from gateway.call_record import CallState
from gateway.errors import BadCommand
from gateway.outcomes import Outcome
from gateway.realtime import Lost, ResponseDone, SpeechStarted
from tests.bridge.call.test_call import Stage

GREETING = {"say": "Good day, {{caller_name}}.", "verbatim": True}


class Said(Stage):
    """A call whose agent has these words."""

    def __init__(self, talking=True, begun=True, greeting=GREETING, **definition):
        self.begun = begun
        settings = AgentDefinition.model_validate({"greeting": greeting, **definition})
        super().__init__(talking=talking, agent=Agent("eve", "eve.yaml", settings, {}))
        self.call.session.begun = begun

    @property
    def announced(self):
        return [entry[1] for entry in self.log if entry[0] == "announce"]

    @property
    def told_agent(self):
        return [entry[1:] for entry in self.log if entry[0] == "add_text"]

    def say(self, **given):
        self.do(self.call.commands.do, "say", given)


def test_a_greeting_needs_no_agent_and_the_agent_is_told_of_it():
    said = Said(talking=False, begun=False)
    assert said.wanted == [MakeSound(0, "Good day, Ann.", "", "local", "")]  # made while it rings
    said.do(said.call.setup.answer_early)
    assert said.announced == []  # the caller's ACK is not there
    said.do(said.call.setup.confirmed)
    assert said.announced == [b"Good day, Ann."]
    assert [event.data for event in said.told if event.type == "prompt_played"] == [
        {"text": "Good day, Ann.", "source": "local"}
    ]
    said.plays_out()
    assert said.call.record()["latest"]["text"] == "Good day, Ann."
    assert [event.data["text"] for event in said.told if event.type == "transcript"] == ["Good day, Ann."]
    assert said.told_agent == []
    said.call.session.begun = True
    said.do(said.call.setup.agent_ready, "acme")
    assert said.told_agent == [("Good day, Ann.", "assistant")]
    assert "say" not in said.verbs()
    assert len(said.announced) == 1


def test_an_agent_that_is_ready_first_says_nothing_of_its_own():
    said = Said(talking=False)
    said.do(said.call.setup.agent_ready, "acme")
    said.do(said.call.setup.confirmed)
    assert said.announced == [b"Good day, Ann."]
    said.plays_out()
    assert said.told_agent == [("Good day, Ann.", "assistant")]
    assert "say" not in said.verbs()


def test_an_announcement_is_not_kept_waiting_by_the_agents_own_greeting():
    said = Said(talking=False, begun=False, greeting="Hello.", recording={"start": "answer", "announcement": "Taped."})
    said.do(said.call.setup.answer_early)
    said.do(said.call.setup.confirmed)
    assert said.announced == [b"Taped."]
    said.plays_out()
    assert "say" not in said.verbs()
    said.call.session.begun = True
    said.do(said.call.setup.agent_ready, "acme")
    assert said.log[-1] == ("say", "Hello.")


def test_sound_that_is_late_is_said_when_it_comes():
    said = Said(talking=False)
    said.makes_sound = False
    said.do(said.call.setup.agent_ready, "acme")
    said.do(said.call.setup.confirmed)
    assert said.announced == []
    said.make(said.wanted[-1])
    said.drain()
    assert said.announced == [b"Good day, Ann."]


def test_the_caller_may_interrupt_it_or_not():
    said = Said(talking=False)
    said.do(said.call.setup.agent_ready, "acme")
    said.do(said.call.setup.confirmed)
    said.hears(SpeechStarted(0))
    assert "flush" in said.verbs()
    assert said.told_agent == [("Good day, Ann. [interrupted by the caller]", "assistant")]
    firm = Said(talking=False, greeting=GREETING | {"interruptible": False})
    firm.do(firm.call.setup.agent_ready, "acme")
    firm.do(firm.call.setup.confirmed)
    firm.hears(SpeechStarted(0))
    assert "flush" not in firm.verbs()
    firm.plays_out()
    firm.speaks()
    firm.hears(SpeechStarted(0))
    assert "flush" in firm.verbs()  # the agent's own words may be


def test_without_a_provider_the_caller_hears_it_out_before_the_end():
    said = Said(talking=False, begun=False)
    said.do(said.call.setup.answer_early)
    said.do(said.call.setup.confirmed)
    assert said.call.setup.agent_missing("nobody answers", said.now)
    said.drain()
    assert said.call.state is CallState.ANSWERED
    said.plays_out()
    assert said.call.state is CallState.ENDED
    assert said.told[-1].data["outcome"] == Outcome.PROVIDER_UNREACHABLE


def test_where_no_provider_is_there_from_the_start_it_is_said_before_the_fallback():
    settings = {"says": "We call you back."}
    said = Said(talking=False, begun=False, on_provider_failure=settings)
    assert said.call.setup.agent_missing("nobody answers", said.now)
    said.drain()
    assert said.announced == []  # the caller's ACK is not there
    said.do(said.call.setup.confirmed)
    assert said.announced == [b"Good day, Ann."]
    said.plays_out()
    assert said.announced == [b"Good day, Ann.", b"We call you back."]
    said.plays_out()
    assert said.call.state is CallState.ENDED


def test_a_call_that_ends_meanwhile_is_not_ended_twice():
    said = Said(talking=False, begun=False)
    said.do(said.call.setup.answer_early)
    said.do(said.call.setup.confirmed)
    said.call.setup.agent_missing("nobody answers", said.now)
    said.do(said.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    said.plays_out()
    assert said.kinds().count("ended") == 1


def test_what_is_said_when_no_provider_is_left():
    settings = {"says": "We call you back.", "forward": "sip:desk@pbx"}
    said = Said(greeting="", on_provider_failure=settings)
    said.hears(Lost("it is gone"))
    assert said.announced == [b"We call you back."]
    assert "transfer" not in said.verbs()
    said.plays_out()
    assert ("transfer", "sip:desk@pbx") in said.log
    alone = Said(greeting="", on_provider_failure={"says": "We call you back."})
    alone.hears(Lost("it is gone"))
    alone.plays_out()
    assert alone.call.state is CallState.ENDED


def test_a_command_says_it_when_the_agent_has_finished():
    said = Said(greeting="")
    said.speaks()
    said.say(text="One moment.", verbatim=True)
    said.say(prompt="music_soon")
    assert said.announced == []
    said.plays_out()
    assert said.announced == [b"One moment."]
    said.plays_out()
    assert said.announced == [b"One moment.", b"music_soon"]
    said.hears(ResponseDone("r", "completed"))
    said.plays_out()
    assert said.told_agent == [("One moment.", "assistant"), ("music_soon", "assistant")]


def test_braces_of_a_command_are_no_variables():
    said = Said(greeting="")
    said.say(text="Press {{1}}.", verbatim=True)
    assert said.announced == [b"Press { {1}}."]


@pytest.mark.parametrize("given", [{}, {"text": "a", "prompt": "b"}, {"text": " ", "verbatim": True}])
def test_a_command_says_one_thing(given):
    with pytest.raises(BadCommand):
        Said(greeting="").say(**given)


def test_its_state_can_be_written_down():
    said = Said(talking=False, begun=False)
    said.do(said.call.setup.answer_early)
    said.do(said.call.setup.confirmed)
    assert said.call.announcer.snapshot() == {"playing": "Good day, Ann.", "waiting": [], "untold": []}
    assert said.call.announcer.must_be_heard is False
    said.plays_out()
    assert said.call.announcer.snapshot() == {
        "playing": None,
        "waiting": [],
        "untold": [["Good day, Ann.", "assistant"]],
    }
