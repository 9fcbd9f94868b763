"""Whose turn it is, by the clock of the test."""

import wave
from pathlib import Path

import pytest

from gateway.phone import PhoneCall
from gateway.phone.turns import PATIENCE_SECONDS, PAUSE_SECONDS, Turns


class Hands:
    def __init__(self):
        self.done, self.deaf = [], False

    def say(self, text):
        self.done.append(text)

    def speak(self, path):
        self.done.append(path.name)

    def hand_over(self, text):
        if self.deaf:
            self.done.append(f"text: {text}")
        return self.deaf

    def press(self, keys):
        self.done.append(keys)

    def pause(self):
        if self.done[-1:] != ["pause"]:
            self.done.append("pause")


@pytest.fixture
def words(tmp_path):
    """Two WAVs of a second each."""
    found = []
    for name in ("one.wav", "two.wav"):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(bytes(16000))
        found.append(tmp_path / name)
    return found


def turns_of(words: list[Path], **errand):
    hands = Hands()
    return Turns(PhoneCall("sip:a@h", **errand), hands, words), hands


def run(turns, begin, end, loud=False, calls=1):
    """Step by 20 ms; when it was done, or None."""
    now = begin
    while now < end:
        if turns.step(now, loud, calls):
            return now
        now += 0.02
    return None


def test_it_speaks_when_the_agent_pauses_presses_keys_and_hangs_up(words):
    turns, hands = turns_of(words, dtmf="3#")
    assert run(turns, 0.0, 5.0) is None  # nobody has answered
    turns.media_ready(5.0)
    assert run(turns, 5.0, 7.0, loud=True) is None
    assert run(turns, 7.0, 7.9) is None
    assert "one.wav" not in hands.done
    run(turns, 7.9, 9.2)
    assert hands.done == ["pause", "speaking for 1.0 s", "one.wav"]
    run(turns, 9.2, 11.0, loud=True)
    run(turns, 11.0, 13.2)
    assert hands.done[3:] == ["pause", "speaking for 1.0 s", "two.wav"]
    run(turns, 13.2, 14.5, loud=True)
    run(turns, 14.5, 15.6)
    assert hands.done[6:] == ["pause", "pressing 3#", "3#"]
    run(turns, 15.6, 16.5, loud=True)
    assert run(turns, 16.5, 20.0) == pytest.approx(16.48 + PAUSE_SECONDS, abs=0.06)


def test_an_agent_that_says_nothing_is_waited_for_and_then_left():
    turns, _ = turns_of([])
    turns.media_ready(0.0)
    assert run(turns, 0.0, 30.0) == pytest.approx(PATIENCE_SECONDS, abs=0.06)
    turns, _ = turns_of([])
    turns.media_ready(0.0)
    turns.transferred(5.0)
    assert run(turns, 5.0, 30.0, calls=2) == pytest.approx(5 + PATIENCE_SECONDS, abs=0.06)


def test_it_interrupts_when_it_is_told_to(words):
    turns, hands = turns_of(words[:1], say=("hello",), after=0.8)
    turns.media_ready(0.0)
    run(turns, 0.0, 0.7, loud=True)
    assert hands.done == []
    run(turns, 0.7, 0.9, loud=True)
    assert hands.done == ["speaking for 1.0 s", "one.wav"]


def test_who_talks_by_microphone_reads_each_turn_too():
    turns, hands = turns_of([], talk=True)
    turns.media_ready(0.0)
    assert run(turns, 0.0, 1.0, loud=True) is None
    run(turns, 1.0, 1.4)
    assert hands.done == []  # it has only just become quiet
    assert run(turns, 1.4, 60.0) is None  # Ctrl-C ends it
    assert hands.done == ["pause"]


def test_words_that_cannot_be_heard_are_handed_over_and_the_answer_is_waited_for(words):
    turns, hands = turns_of(words, say=("one", "two"))
    hands.deaf = True
    turns.media_ready(0.0)
    run(turns, 0.0, 1.0, loud=True)
    run(turns, 1.0, 2.2)
    assert [one for one in hands.done if one != "pause"] == [
        "text: one",
        "handed over as text, as the gateway hears no words: one",
    ]
    assert run(turns, 2.2, 4.0, loud=True) is None
    run(turns, 4.0, 5.2)
    assert "text: two" in hands.done
    assert not [one for one in hands.done if one.endswith(".wav")]
