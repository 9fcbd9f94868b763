"""Every decision of a call, on a fake clock, with a leg and a session that note what they are asked."""

from dataclasses import dataclass, replace

import pytest

from gateway.agents import BUNDLED, load_agents
from gateway.bridge.call.actions import Finished, MakeSound, RunTool
from gateway.bridge.call.call import Call
from gateway.bridge.call.call_info import CallInfo
from gateway.bridge.call.dtmf_input import DIGITS_SECONDS
from gateway.bridge.call.part import LAST_WORD_SECONDS
from gateway.bridge.reasons import Reason
from gateway.call_record import CallState, Party
from gateway.events import CallEvent
from gateway.outcomes import Outcome
from gateway.realtime import (
    AudioDelta,
    Lost,
    ProviderFault,
    ResponseDone,
    Severity,
    SpeechStarted,
    ToolCall,
    Transcript,
)
from tests.bridge.fakes import FakeLeg, FakeSession

AGENT = load_agents(BUNDLED)["receptionist"]
FACTS = CallInfo(
    "call_1", "sip-1", Party("sip:ann@h", "Ann"), Party("sip:reception@gw"), "h", "gw", {"x-account": "42"}, "node"
)


@dataclass
class Progress:
    status: int = 0
    reason: str = ""
    done: bool = False
    refused: bool = False


class Stage:
    """A call with its clock; `log` holds every verb, `told` every event."""

    def __init__(self, talking=True, agent=AGENT, prompt=None, direction="inbound", **of_leg):
        self.log, self.told, self.now = [], [], 10.0
        self.leg, self.finished, self.tools = FakeLeg(self.log), False, []
        self.makes_sound, self.sounds, self.wanted = True, {}, []  # at once, unless said otherwise
        for name, value in of_leg.items():
            setattr(self.leg, name, value)
        self.call = Call(replace(FACTS, direction=direction), self.leg, self.now, 1000.0)
        self.call.begin(agent, FakeSession(self.log), prompt)
        self.do(self.call.dial if direction == "outbound" else self.call.ring)
        if talking:
            self.do(self.call.setup.agent_ready, "acme")
            self.do(self.call.setup.confirmed)
            self.log.clear()

    def do(self, verb, *arguments):
        verb(*arguments, self.now)
        self.drain()

    def drain(self):
        while actions := self.call.actions():
            for action in actions:
                self.perform(action)

    def perform(self, action):
        match action:
            case CallEvent():
                self.told.append(action)
            case RunTool():
                self.tools.append(action)
            case MakeSound(number) if number and self.makes_sound:
                self.make(action)
            case MakeSound():
                self.wanted.append(action)
            case Finished():
                self.finished = True

    def make(self, wanted):
        """The sound of what was asked for: what `sounds` has, or `text` as bytes."""
        text = wanted.text or wanted.prompt
        pcm, source, problem = self.sounds.get(text, (text.encode(), "local", ""))
        self.call.announcer.made(wanted.number, pcm, text, source, problem, self.now)

    def run(self, seconds):
        until = self.now + seconds
        while (deadline := self.call.deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.call.expire(self.now)
            self.drain()
        self.now = until

    def hears(self, event):
        self.do(self.call.receive, event)

    def speaks(self, ms=1000):
        self.hears(AudioDelta("item_1", 0, bytes(48 * ms)))

    def calls(self, name, arguments="{}", call_id="c1"):
        self.hears(ResponseDone("resp_1", "completed", (ToolCall(call_id, name, arguments),)))

    def plays_out(self):
        self.leg.queued = 0
        self.do(self.call.drained)

    def kinds(self):
        return [event.type for event in self.told]

    def verbs(self):
        return [entry[0] for entry in self.log]


def test_ringing_then_an_answer_then_the_greeting():
    stage = Stage(talking=False)
    assert stage.log == [("ring",)]
    stage.do(stage.call.setup.agent_ready, "acme")
    assert stage.verbs() == ["ring", "answer"]
    stage.do(stage.call.setup.confirmed)
    assert stage.log[-1] == ("say", AGENT.definition.greeting.say)
    assert stage.kinds() == ["incoming", "answered"]
    assert stage.call.record()["answered_at"] == 1010.0


def test_a_provider_that_is_away_refuses_the_call():
    stage = Stage(talking=False)
    stage.call.refuse(RuntimeError("away"), Reason(503, "provider_unreachable", {"Retry-After": "10"}), stage.now)
    stage.drain()
    assert ("reject", 503, {"Retry-After": "10"}) in stage.log
    assert stage.told[-1].data == {"outcome": "provider_unreachable", "status": 503, "problem": "away"}
    assert stage.finished


@pytest.mark.parametrize("outcome", [Outcome.CALLER_HUNG_UP, Outcome.CANCELLED, Outcome.NO_ACK, Outcome.TRANSPORT])
def test_how_a_call_ends(outcome):
    stage = Stage()
    stage.do(stage.call.leg_ended, outcome, "Q.850;cause=16")
    assert stage.call.record()["outcome"] == outcome
    assert stage.told[-1].data["reason"] == "Q.850;cause=16"
    assert stage.verbs() == ["close session", "close"]
    assert stage.finished
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    stage.do(stage.call.hang_up, "node_stopped")
    assert stage.kinds().count("ended") == 1


def test_barge_in_stops_the_speech_and_counts():
    stage = Stage()
    stage.speaks()
    stage.hears(SpeechStarted(100))
    assert stage.verbs() == ["flush", "interrupt"]
    heard = {"item_id": "item_1", "audio_end_ms": 120, "heard": "what was heard of item_1"}
    assert stage.told[-1].data == heard
    assert stage.call.record()["interruptions"] == 1
    stage.hears(SpeechStarted(200))  # nobody was speaking: nothing was interrupted
    assert stage.call.record()["interruptions"] == 1


def transfer(stage, target="billing"):
    stage.speaks()
    stage.calls("transfer_call", f'{{"target": "{target}"}}')
    stage.plays_out()
    stage.run(LAST_WORD_SECONDS)


def test_a_transfer_follows_its_announcement_and_ends_with_success():
    stage = Stage()
    transfer(stage)
    assert ("transfer", "sip:billing@gw") in stage.log
    assert ("mute_input", True) in stage.log
    assert stage.call.state is CallState.TRANSFERRING
    stage.do(stage.call.transfer_moved, Progress())
    stage.do(stage.call.transfer_moved, Progress(180, "Ringing"))
    stage.speaks()
    assert stage.leg.silent  # what the agent says now nobody hears
    stage.do(stage.call.transfer_moved, Progress(200, "OK", done=True))
    assert ("hang_up", "transferred") in stage.log
    assert stage.call.record()["outcome"] == "transferred"


def test_a_refused_transfer_is_told_to_the_model_and_the_talk_goes_on():
    stage = Stage()
    transfer(stage)
    stage.do(stage.call.transfer_moved, Progress(603, "Decline", done=True))
    assert stage.call.state is CallState.ANSWERED
    assert ("mute_input", False) in stage.log
    assert stage.log[-1] == ("tool_output", "c1", '{"error":"the transfer to billing failed: 603 Decline"}', True)
    transfer(stage, "sales")
    assert ("transfer", "sip:sales@gw") in stage.log


def test_a_caller_who_hangs_up_while_being_transferred_was_transferred():
    stage = Stage()
    transfer(stage)
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert stage.call.record()["outcome"] == "transferred"


@pytest.mark.parametrize("bad", [True, False])
def test_a_transfer_that_cannot_even_be_asked_for(bad):
    stage = Stage()
    stage.leg.accepts, stage.leg.bad_target = False, bad
    transfer(stage)
    assert stage.call.state is CallState.ANSWERED
    assert "transfer_failed" in stage.kinds()
    assert stage.log[-1][0] == "tool_output"


def test_keys_that_belong_together_go_as_one_text():
    stage = Stage()
    stage.speaks()
    for key in "12":
        stage.do(stage.call.digit, key)
        stage.run(DIGITS_SECONDS / 2)
    assert stage.verbs() == ["flush", "interrupt"]
    assert stage.log[1] == ("interrupt", False)  # a key is not speech: the server does not know of it
    stage.run(DIGITS_SECONDS)
    assert stage.log[-2:] == [("add_text", "[DTMF] 12"), ("create_response", "")]
    stage.do(stage.call.digit, "#")
    assert stage.log[-2:] == [("add_text", "[DTMF] #"), ("create_response", "")]


def test_faults_by_their_weight():
    stage = Stage()
    stage.hears(ProviderFault(Severity.BENIGN, "response_cancel_not_active", ""))
    assert stage.call.record()["provider_faults"] == 0
    stage.hears(ProviderFault(Severity.TURN, "server_error", "oops"))
    assert stage.told[-1].type == "provider_fault"
    assert not stage.finished
    stage.hears(ProviderFault(Severity.FATAL, "session_expired", "60 minutes"))
    assert not stage.finished  # another session is sought
    assert stage.call.record()["provider_faults"] == 2


def test_a_lost_provider_ends_the_call_with_a_reason():
    stage = Stage()
    stage.hears(Lost("the provider closed the connection (code 1001: going away)"))
    assert ("hang_up", "provider lost") in stage.log
    assert "1001: going away" in stage.told[-1].data["problem"]


def test_a_failed_response_is_told_and_tokens_are_counted():
    stage = Stage()
    stage.hears(ResponseDone("r", "failed", (), "overloaded", {"total_tokens": 5, "input_tokens": None}))
    stage.hears(ResponseDone("r", "completed", (), "", {"total_tokens": 7}))
    assert stage.call.record()["usage"] == {"total_tokens": 12}
    assert stage.kinds().count("response_failed") == 1


def test_transcripts_are_told():
    stage = Stage()
    stage.hears(Transcript("user", "item_u", "hello"))
    stage.hears(Transcript("user", "item_v", ""))
    assert [event.data["text"] for event in stage.told if event.type == "transcript"] == ["hello"]


def test_what_comes_before_the_answer_or_after_the_end_does_nothing():
    stage = Stage(talking=False)
    stage.do(stage.call.digit, "1")
    stage.speaks()
    assert stage.log == [("ring",)]
    stage.do(stage.call.hang_up, "node_stopped")
    assert ("reject", 480, {}) in stage.log
    before = list(stage.log)
    stage.do(stage.call.setup.agent_ready, "acme")
    stage.speaks()
    assert stage.log == before
    assert "ended" in str(stage.call)


def test_a_call_that_we_make():
    stage = Stage(talking=False, direction="outbound")
    stage.do(stage.call.setup.agent_ready, "acme")
    stage.do(stage.call.ringing, 180)
    stage.do(stage.call.ringing, 183)
    assert stage.call.state is CallState.RINGING
    stage.do(stage.call.picked_up)
    assert stage.call.state is CallState.ANSWERED
    assert stage.kinds()[-3:] == ["dialing", "ringing", "answered"]
    assert stage.verbs()[-1] == "say"


@pytest.mark.parametrize("ringing", [False, True])
def test_a_call_of_ours_that_is_given_up_hears_nothing_of_the_cancelled_invite(ringing):
    """Our CANCEL ends the session at once, within the verb that sends it."""
    stage = Stage(talking=False, direction="outbound")
    if ringing:
        stage.do(stage.call.ringing, 180)
    stage.leg.on_hang_up = lambda: stage.call.not_reached(Outcome.CANCELLED, 487, "487", stage.now)
    stage.do(stage.call.hang_up, Outcome.NODE_STOPPED)
    assert stage.call.stats.outcome == "node_stopped"
    assert stage.kinds().count("ended") == 1
    assert stage.finished


def test_a_call_that_nobody_takes():
    stage = Stage(talking=False, direction="outbound")
    stage.do(stage.call.not_reached, "busy", 486, "486 Busy Here")
    assert (stage.call.stats.outcome, stage.finished) == ("busy", True)
    stage.do(stage.call.picked_up)
    assert stage.call.state is CallState.ENDED


def test_a_provider_that_leaves_the_caller_in_mid_sentence_is_counted():
    stage = Stage()
    for unfinished in (True, False, True):
        stage.call.session.unfinished = unfinished
        stage.speaks()
        stage.plays_out()
    assert stage.call.record()["underruns"] == 2


def test_the_agents_own_words_that_come_back_interrupt_nobody():
    stage = Stage()
    stage.hears(AudioDelta("item_1", 0, bytes(4800)))
    stage.leg.echoing = True
    stage.log.clear()
    stage.hears(SpeechStarted(5))
    stage.hears(SpeechStarted(9))
    assert ("flush",) not in stage.log
    assert [event.type for event in stage.told if event.type in ("echo_detected", "speech_started")] == [
        "echo_detected"
    ]
    assert stage.call.record()["echoes"] == 2


def test_faults_by_the_hundred_fill_no_record():
    stage = Stage()
    for _ in range(300):
        stage.hears(ProviderFault(Severity.TURN, "x" * 1000, "y" * 10_000))
    faults = [event for event in stage.told if event.type == "provider_fault"]
    assert len(faults) == 20
    assert faults[-1].data["more"]
    assert max(len(str(event.data)) for event in faults) < 800
    assert stage.call.record()["provider_faults"] == 300


def test_a_tool_that_held_up_the_node_stands_in_the_record():
    stage = Stage()
    stage.do(stage.call.tool_blocked, "lookup", 1.5)
    assert stage.call.record()["blocked_ms"] == 1500


def test_the_media_of_a_call_stay_in_its_record_whatever_follows():
    """A recording that is ready later, for one."""
    stage = Stage()
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert stage.call.record()["media"] == {"codec": "PCMU"}


def test_a_fault_at_the_end_of_a_call_does_not_keep_it_from_ending():
    stage = Stage()
    stage.call.recording.close = lambda: 1 / 0
    stage.call.session.close = lambda: 1 / 0
    stage.do(stage.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert stage.call.ended
    assert "close" in [verb[0] for verb in stage.log]


def test_the_callers_words_say_when_they_were_begun():
    stage = Stage()
    stage.hears(SpeechStarted(0, "noise"))
    stage.run(1.0)
    stage.hears(SpeechStarted(1000, "one"))
    began = stage.now
    stage.run(2.0)
    stage.hears(SpeechStarted(3000, "two"))
    stage.hears(Transcript("user", "one", "hello"))
    stage.hears(Transcript("user", "two", "again"))
    stage.hears(Transcript("assistant", "three", "x" * 300))
    first, second, third = [event for event in stage.told if event.type == "transcript"]
    assert (first.at - first.data["began_at"], second.at - second.data["began_at"]) == (2.0, 0.0)
    assert first.data["began_at"] == began + stage.call._epoch
    assert "began_at" not in third.data
    assert stage.call._turns == {}
    assert stage.call.record()["latest"] == {"role": "assistant", "text": "x" * 200, "at": third.at}
