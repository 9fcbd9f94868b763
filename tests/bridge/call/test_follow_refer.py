"""A REFER of the caller's side, on a fake clock."""

import pytest

from gateway.bridge.call.actions import DialSecondLeg, ReleaseSecondLeg, ReplaceCallerLeg
from gateway.bridge.call.follow_refer import FollowRefer
from gateway.bridge.call.part import TransferRequest
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from gateway.realtime import SpeechStarted
from tests.bridge.call.test_call import Stage
from tests.bridge.fakes import FakeLeg


class Table(Stage):
    """A call whose peer has sent a REFER; `other` is who is called, `done` what the line was asked for."""

    def __init__(self):
        self.heard, self.done = [], []
        super().__init__()
        self.other = FakeLeg(self.heard)
        self.do(self.call.refer, "sip:ann@pbx", "a;to-tag=1;from-tag=2", "<sip:boss@pbx>")

    def drain(self):
        actions = self.call.actions()
        self.done += [
            action for action in actions if isinstance(action, DialSecondLeg | ReleaseSecondLeg | ReplaceCallerLeg)
        ]
        self.call._actions = [
            action for action in actions if not isinstance(action, DialSecondLeg | ReleaseSecondLeg | ReplaceCallerLeg)
        ]
        super().drain()

    @property
    def follow_refer(self) -> FollowRefer:
        return self.call.follow_refer


def test_the_target_takes_the_callers_place_once_it_answers():
    table = Table()
    consult = table.done[0]
    assert (consult.target, consult.replaces, consult.referred_by) == (
        "sip:ann@pbx", "a;to-tag=1;from-tag=2", "<sip:boss@pbx>",
    )  # fmt: skip
    follow_refer = table.follow_refer
    assert consult.whom is follow_refer
    follow_refer.other_calling(table.other)
    table.do(follow_refer.other_ringing, 180)
    table.do(follow_refer.other_drained)
    assert ("tell_referrer", 180) in table.log
    assert table.call.state is CallState.ANSWERED  # the agent talks on
    table.do(follow_refer.other_answered)
    assert table.log[-2:] == [("tell_referrer", 200), ("add_text", "[CALLER] sip:ann@pbx")]
    assert table.done[1:] == [ReplaceCallerLeg(table.other)]
    assert table.told[-1].type == "replaced"
    assert table.follow_refer is None
    assert table.heard == []


@pytest.mark.parametrize(("status", "told"), [(486, 486), (0, 503)])
def test_nobody_there_leaves_everything_as_it_was(status, told):
    table = Table()
    follow_refer = table.follow_refer
    follow_refer.other_calling(table.other)
    table.do(follow_refer.other_ended, "486 Busy Here", status)
    assert table.log[-1] == ("tell_referrer", told)
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]
    assert table.done[1:] == [ReleaseSecondLeg()]
    assert (table.follow_refer, table.call.state) == (None, CallState.ANSWERED)
    assert table.told[-1].type == "refer_failed"


def test_only_one_at_a_time_and_no_transfer_of_ours_besides():
    table = Table()
    table.do(table.call.refer, "sip:bob@pbx", "", "")
    assert table.log[-1] == ("tell_referrer", 603)
    table.calls("transfer_call", '{"target": "billing"}')
    assert "transferred already" in table.told[-1].data["output"]
    assert len(table.done) == 1


def test_a_transfer_that_cannot_wait_ends_it():
    """The agent's provider is lost, and the caller is forwarded: a call has one second leg at a time."""
    table = Table()
    table.follow_refer.other_calling(table.other)
    table.leg.transfers = "bridge"
    follow_refer = table.follow_refer
    table.other.on_hang_up = lambda: follow_refer.other_ended("487 Request Terminated", 487, table.now)
    table.do(table.call.begin_transfer, TransferRequest("on_provider_failure", "sip:desk@gw"))
    assert [entry for entry in table.log if entry[0] == "tell_referrer"] == [("tell_referrer", 503)]
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]
    assert [type(action) for action in table.done[1:]] == [ReleaseSecondLeg, DialSecondLeg]
    assert (table.follow_refer, table.call.state) == (None, CallState.TRANSFERRING)


def test_who_sent_the_agent_away_may_hang_up_before_anybody_answers():
    table = Table()
    follow_refer = table.follow_refer
    follow_refer.other_calling(table.other)
    table.hears(SpeechStarted(100))
    table.do(table.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert table.told[-1].type == "referrer_left"
    assert not table.finished
    table.do(follow_refer.other_answered)
    assert table.done[1:] == [ReplaceCallerLeg(table.other)]
    assert table.call.state is CallState.ANSWERED
    table.do(table.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert table.finished


def test_and_if_nobody_answers_then_the_call_is_over():
    table = Table()
    table.follow_refer.other_calling(table.other)
    table.do(table.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    table.do(table.follow_refer.other_ended, "486 Busy Here", 486)
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]
    assert table.call.stats.outcome == "caller_hung_up"
    assert table.finished


def test_a_call_that_is_ended_meanwhile_leaves_nobody_ringing():
    table = Table()
    table.follow_refer.other_calling(table.other)
    table.do(table.call.hang_up, "node_stopped")
    assert [name for name, *_ in table.heard] == ["hang_up", "close"]
    assert table.finished
