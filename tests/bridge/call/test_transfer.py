"""Every way that a transfer can take, on a fake clock, with legs that note what they are asked."""

import pytest

from gateway.agents import Agent
from gateway.bridge.call.actions import DialSecondLeg, ReleaseSecondLeg
from gateway.bridge.call.part import LAST_WORD_SECONDS
from gateway.bridge.call.transfer import TELLING_SECONDS
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import AudioDelta
from tests.bridge.call.test_call import AGENT, Progress, Stage
from tests.bridge.fakes import FakeLeg

REFUSED = Progress(405, "Method Not Allowed", done=True, refused=True)
BUSY = Progress(486, "Busy Here", done=True)
DONE = Progress(200, "OK", done=True)


class Table(Stage):
    """A call in which the model has asked for a transfer; `other` is who is called."""

    def __init__(self, transfers="refer", attended=False, summary="Ann calls about her invoice."):
        super().__init__()
        self.leg.transfers = transfers
        if attended:
            definition = AGENT.definition.model_copy(update={"transfer": "attended"})
            self.call.agent = Agent(AGENT.name, AGENT.source, definition, AGENT.tools)
        self.heard, self.consults = [], []
        self.other = FakeLeg(self.heard)
        self.calls("transfer_call", f'{{"target": "billing", "summary": "{summary}"}}')
        self.run(0.0)

    def drain(self):
        actions = self.call.actions()
        for action in actions:
            if isinstance(action, DialSecondLeg):
                self.consults.append(action.target)
                self.transfer.other_calling(self.other)
        self.call._actions = [action for action in actions if not isinstance(action, DialSecondLeg | ReleaseSecondLeg)]
        super().drain()

    @property
    def transfer(self):
        return self.call.transfer

    def asked(self, name):
        return [entry[1:] for entry in self.log if entry[0] == name]


def test_blind_by_refer():
    table = Table()
    assert table.asked("transfer") == [("sip:billing@gw",)]
    table.do(table.call.transfer_moved, DONE)
    assert table.call.stats.outcome == "transferred"
    assert table.consults == []


def test_a_refused_refer_is_the_models_business_where_nothing_else_is_allowed():
    table = Table("refer")
    table.do(table.call.transfer_moved, REFUSED)
    assert table.call.state is CallState.ANSWERED
    assert table.kinds()[-2:] == ["transfer_failed", "tool_output"]


def test_where_refer_is_refused_we_call_and_join_the_two():
    table = Table("auto")
    table.do(table.call.transfer_moved, REFUSED)
    assert table.consults == ["sip:billing@gw"]
    assert table.asked("hold") == [(True,)]
    table.do(table.transfer.other_ringing, 180)
    table.do(table.transfer.other_answered)
    assert table.asked("join") == [(table.other,)]
    assert table.call.state is CallState.BRIDGED
    assert ("close session",) in table.log  # the agent's session
    assert table.kinds()[-1] == "bridged"
    table.do(table.transfer.other_ended, "the target hung up", 0)
    assert table.call.stats.outcome == "transferred"
    assert ("hang_up", "transferred") in table.log
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]


def test_a_call_that_was_refused_by_the_target_is_not_tried_twice():
    table = Table("auto")
    table.do(table.call.transfer_moved, BUSY)
    assert table.consults == []
    assert table.call.state is CallState.ANSWERED


def test_where_refer_is_forbidden_it_is_not_even_asked_for():
    table = Table("bridge")
    assert table.asked("transfer") == []
    assert table.consults == ["sip:billing@gw"]


@pytest.mark.parametrize("problem", ["486 Busy Here", "408 no answer in time"])
def test_nobody_there(problem):
    table = Table("bridge")
    table.do(table.transfer.other_ended, problem, 486)
    assert table.call.state is CallState.ANSWERED
    assert table.asked("hold") == [(True,), (False,)]
    assert problem in table.told[-1].data["output"]
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]


def test_attended_tells_who_picks_up_and_then_leaves_by_replaces():
    table = Table("refer", attended=True)
    assert table.consults == ["sip:billing@gw"]
    table.do(table.transfer.other_answered)
    assert table.asked("say") == [("Ann calls about her invoice.",)]
    table.hears(AudioDelta("item_9", 0, b"\0" * 960))
    assert (table.other.queued, table.leg.queued) == (960, 0)  # the caller does not hear it
    table.other.queued = 0
    table.do(table.transfer.other_drained)
    table.run(LAST_WORD_SECONDS)
    assert table.asked("transfer") == [("sip:billing@gw",)]
    assert table.leg.replaces is table.other
    table.do(table.transfer.other_ended, "the target hung up", 0)  # our call to it is replaced
    assert table.call.state is CallState.TRANSFERRING
    table.do(table.call.transfer_moved, DONE)
    assert table.call.stats.outcome == "transferred"


def test_attended_without_a_word_from_the_provider_goes_on_all_the_same():
    table = Table("auto", attended=True)
    table.do(table.transfer.other_answered)
    table.run(TELLING_SECONDS)
    assert len(table.asked("transfer")) == 1


def test_attended_is_joined_here_where_replaces_is_refused():
    table = Table("auto", attended=True, summary="")
    table.do(table.transfer.other_answered)
    table.do(table.call.transfer_moved, REFUSED)
    assert table.call.state is CallState.BRIDGED
    table.do(table.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert table.call.stats.outcome == "transferred"
    assert ("hang_up", "the call has ended") in table.heard


def test_a_target_that_hung_up_is_not_joined_with_the_caller_where_replaces_is_refused():
    table = Table("auto", attended=True, summary="")
    table.do(table.transfer.other_answered)
    table.do(table.transfer.other_ended, "the target hung up", 0)
    assert table.call.state is CallState.TRANSFERRING  # the caller may have taken its place
    table.do(table.call.transfer_moved, REFUSED)
    assert table.call.state is CallState.ANSWERED
    assert table.asked("join") == []
    assert table.asked("hold") == [(True,), (False,)]
    assert "the target hung up" in table.told[-1].data["output"]


def test_the_caller_gives_up_while_the_target_rings():
    table = Table("bridge")
    table.do(table.transfer.other_ringing, 180)
    table.do(table.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert table.call.stats.outcome == "caller_hung_up"
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]


def test_a_call_that_is_ended_while_the_target_rings_hears_nothing_of_the_cancelled_call():
    """Our CANCEL ends the target's session at once, within the verb that sends it."""
    table = Table("bridge")
    transfer = table.transfer

    def cancelled():
        transfer.other_ended("487 Request Terminated", 487, table.now)
        table.heard.append(("told",))

    table.other.on_hang_up = cancelled
    table.do(table.call.hang_up, Outcome.MAX_DURATION)
    assert table.kinds()[-1] == "ended"
    assert [name for name, *_ in table.heard] == ["hang_up", "told", "close"]
    assert "transfer_failed" not in table.kinds()


def test_the_target_hangs_up_while_it_is_told():
    table = Table("auto", attended=True)
    table.do(table.transfer.other_answered)
    table.do(table.transfer.other_ended, "the target hung up", 0)
    assert table.call.state is CallState.ANSWERED
    table.run(TELLING_SECONDS)
    assert table.asked("join") == []


def test_the_provider_may_go_once_the_two_are_joined():
    from gateway.realtime import Lost

    table = Table("bridge")
    table.do(table.transfer.other_answered)
    table.hears(Lost("closed"))
    assert table.call.state is CallState.BRIDGED
