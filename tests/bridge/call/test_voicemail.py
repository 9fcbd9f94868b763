"""A message, on a fake clock."""

import pytest

from gateway.agents import Prompted
from gateway.bridge import Mailbox, Places
from gateway.bridge.call.actions import ConnectAgent, MessageCommand, ReleaseAgent
from gateway.codecs import beep
from gateway.outcomes import Outcome
from tests.bridge.call.test_attendant import Guest

BOX = Mailbox("box", Prompted(say="Speak."), Prompted(say="Thanks."), max_seconds=20)


class Message(Guest):
    def __init__(self, box=BOX):
        super().__init__("voicemail:box", places=Places(mailboxes={"box": box}))

    @property
    def said(self):
        return ["beep" if entry[1] == beep() else entry[1].decode() for entry in self.log if entry[0] == "announce"]

    def begins(self):
        self.plays_out()
        self.plays_out()
        assert self.acts == [MessageCommand("start")]

    def speaks_for(self, seconds):
        for _ in range(int(seconds * 10)):
            self.run(0.1)
            self.do(self.call.voice_heard)


def test_a_greeting_a_beep_and_the_message_until_nothing_more_is_heard():
    guest = Message()
    guest.begins()
    assert guest.said == ["Speak.", "beep"]
    guest.speaks_for(4)
    guest.run(4.9)
    assert len(guest.acts) == 1
    guest.run(0.1)
    assert guest.acts[1:] == [MessageCommand("keep", "box", "silence")]
    assert guest.said[-1] == "Thanks."
    guest.plays_out()
    assert guest.outcome is Outcome.VOICEMAIL


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (lambda guest: guest.press("5", "#"), "key"),
        (lambda guest: guest.speaks_for(18), "length"),
        (lambda guest: guest.do(guest.call.leg_ended, Outcome.CALLER_HUNG_UP, ""), "hung_up"),
    ],
)
def test_what_ends_it(end, why):
    guest = Message()
    guest.begins()
    guest.speaks_for(3)
    end(guest)
    assert guest.acts[1:] == [MessageCommand("keep", "box", why)]


def test_nothing_or_too_little_is_not_kept():
    guest = Message()
    guest.begins()
    guest.speaks_for(0.5)
    guest.do(guest.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert guest.acts[1:] == [MessageCommand("drop", "box", "hung_up")]
    empty = [event.data for event in guest.told if event.type == "voicemail_empty"]
    assert empty == [{"box": "box", "seconds": 0.5, "why": "hung_up"}]
    guest = Message()
    guest.begins()
    guest.run(5)
    assert guest.acts[1:] == [MessageCommand("drop", "box", "silence")]


def test_who_knows_the_greeting_skips_it():
    guest = Message()
    guest.press("1", "#")
    assert (guest.said, guest.leg.queued) == (["Speak.", "beep"], len(beep()))


def test_without_thanks_it_just_ends():
    guest = Message(Mailbox("box", Prompted(say="Speak.")))
    guest.begins()
    guest.speaks_for(2)
    guest.press("#")
    assert guest.outcome is Outcome.VOICEMAIL


def test_who_hangs_up_before_the_beep_has_left_nothing():
    guest = Message()
    guest.do(guest.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert guest.acts == []


def test_a_disk_that_is_full_ends_the_call_with_its_reason():
    guest = Message()
    guest.begins()
    guest.do(guest.call.voicemail.failed, "no space left")
    assert guest.outcome is Outcome.INTERNAL_ERROR
    assert [event.data["problem"] for event in guest.told if event.type == "voicemail_failed"] == ["no space left"]


def test_silence_on_hold_is_none():
    guest = Message()
    guest.begins()
    guest.speaks_for(2)
    guest.do(guest.call.held_by_caller, True)
    guest.run(10)
    assert len(guest.acts) == 1
    guest.do(guest.call.held_by_caller, False)
    guest.run(5)
    assert guest.acts[1:] == [MessageCommand("keep", "box", "silence")]


def test_its_state_can_be_written_down():
    guest = Message()
    assert guest.call.voicemail.snapshot() == {
        "stage": "greeting", "box": "box", "heard": False, "began": 0.0, "heard_at": 0.0,
    }  # fmt: skip


def test_a_caller_who_is_taken_elsewhere_has_left_what_they_said():
    guest = Message()
    guest.begins()
    guest.speaks_for(3)
    guest.do(guest.call.commands.do, "transfer", {"to": "agent:eve"})
    assert guest.acts[1:] == [ReleaseAgent(), MessageCommand("keep", "box", "moved"), ConnectAgent("eve")]
    guest.run(60)
    assert not guest.finished
