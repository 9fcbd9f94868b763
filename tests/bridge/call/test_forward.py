"""A call that is put through before it is answered."""

from gateway.bridge.call.actions import DialSecondLeg
from gateway.call_record import CallState
from gateway.outcomes import Outcome
from tests.bridge.call.test_attendant import Guest
from tests.bridge.fakes import FakeLeg


def rung(otherwise="", **more):
    guest = Guest("tel:+4930?trunk=acme", otherwise, **more)
    (dialed,) = guest.acts
    assert isinstance(dialed, DialSecondLeg)
    assert (dialed.target, dialed.trunk) == ("tel:+4930", "acme")
    return guest, dialed.whom


def test_the_caller_is_answered_when_somebody_picks_up():
    guest, whom = rung()
    whom.other_calling(other := FakeLeg(guest.log))
    guest.do(whom.other_ringing, 180)
    assert guest.call.state is CallState.RINGING
    guest.do(whom.other_answered)
    assert guest.call.state is CallState.BRIDGED
    assert ("join", other) in guest.log
    guest.do(whom.other_ended, "the target hung up", 0)
    assert (guest.outcome, guest.told[-1].data["bridged"]) == (Outcome.TRANSFERRED, True)


def test_a_refusal_is_handed_on_or_leads_further():
    guest, whom = rung()
    guest.do(whom.other_ended, "486 Busy Here", 486)
    assert [entry[:2] for entry in guest.log if entry[0] == "reject"] == [("reject", 486)]
    assert (guest.outcome, guest.told[-1].data["status"]) == (Outcome.BUSY, 486)
    guest, whom = rung("voicemail:box")
    guest.do(whom.other_ended, "480", 480)
    guest.do(guest.call.confirmed)
    assert guest.path == ["tel:+4930?trunk=acme", "voicemail:box"]


def test_a_caller_who_gives_up_stops_the_ringing():
    guest, whom = rung()
    whom.other_calling(FakeLeg(guest.log))
    guest.do(guest.call.leg_ended, Outcome.CANCELLED, "")
    assert [entry for entry in guest.log if entry[0] == "hang_up"] == [("hang_up", "the call has ended")]
    assert whom.snapshot() == {"to": "tel:+4930?trunk=acme", "joined": False}
