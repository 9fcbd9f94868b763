"""A line that sends back what it is sent, and a caller on it."""

import numpy as np
import pytest

from gateway.bridge.media.echo_guard import EchoGuard
from gateway.codecs import WIDE, dbm0, g711
from tests.speech import narrowband

SAID = narrowband("good afternoon and thank you for calling the office of the county clerk how can i help you today")
CALLER = narrowband("i would like to know when you are open on saturday mornings please")


class Line:
    """Frames of 20 ms both ways; `lag_ms` and `gain` are the line's."""

    def __init__(self, lag_ms=120, gain=0.3, sound=g711.ULAW):
        self.guard, self.sound = EchoGuard(), sound
        self._back = np.zeros(lag_ms * 8, np.int16)
        self._gain = gain

    def frame(self, said, talking, caller=None):
        """What the agent hears while `said` is sent, int16[160]."""
        wide = self.sound is WIDE
        self.guard.sent(self.sound.coded(np.repeat(said, 2) if wide else said), self.sound, talking)
        self._back = np.concatenate((self._back, (said * self._gain).astype(np.int16)))
        came, self._back = self._back[:160], self._back[160:]
        mixed = came + (caller if caller is not None else 0)
        heard = self.guard.heard(
            self.sound.coded((np.repeat(mixed, 2) if wide else mixed).astype(np.int16)), self.sound
        )
        return self.sound.linear(heard)

    def say(self, said, caller=None):
        frames = len(said) // 160
        at = [said[n * 160 : n * 160 + 160] for n in range(frames)]
        voices = [None if caller is None else caller[n * 160 : n * 160 + 160] for n in range(frames)]
        return [self.frame(one, True, voice) for one, voice in zip(at, voices, strict=True)]


def loud(frames):
    return sum(dbm0(frame) > -45 for frame in frames)


@pytest.mark.parametrize("sound", [g711.ULAW, g711.ALAW, WIDE])
@pytest.mark.parametrize(("lag_ms", "gain"), [(20, 0.5), (120, 0.3), (500, 0.1), (650, 1.0)])
def test_after_a_moment_the_agent_hears_nothing_of_itself(lag_ms, gain, sound):
    line = Line(lag_ms, gain, sound)
    frames = line.say(SAID)
    assert line.guard.echoing
    alone = (lag_ms + 700) // 20
    assert loud(frames[:alone]) > 0  # until it was found
    assert loud(frames[alone:]) <= 0.05 * len(frames)
    assert line.guard.stats()["echo"]["gain_db"] == pytest.approx(20 * np.log10(gain), abs=3)


def test_a_caller_who_is_louder_than_the_echo_is_heard():
    line = Line(gain=0.1)
    line.say(SAID[:32000])
    length = min(len(SAID) - 32000, len(CALLER)) // 160 * 160
    frames = line.say(SAID[32000 : 32000 + length], CALLER[:length])
    spoken = [n for n in range(length // 160) if dbm0(CALLER[n * 160 : n * 160 + 160]) > -25]
    kept = sum(dbm0(frames[n]) > -30 for n in spoken)
    assert kept > 0.8 * len(spoken)


def test_a_line_that_has_ceased_to_echo_is_one_like_any_other():
    line = Line(gain=0.5)
    line.say(SAID)
    assert line.guard.echoing
    line._gain = 0.0
    frames = len(CALLER) // 160
    for turn in range(12):  # each time they fall together in another way: two voices are alike by chance, too
        line.say(np.resize(SAID, frames * 160), np.roll(CALLER[: frames * 160], turn * 37 * 160))
        if not line.guard.echoing:
            break
    assert not line.guard.echoing
    assert line.guard.found == 1


def test_without_an_echo_nothing_is_changed():
    line = Line(gain=0.0)
    length = min(len(SAID), len(CALLER)) // 160 * 160
    frames = line.say(SAID[:length], CALLER[:length])
    coded = g711.ULAW.linear(g711.ULAW.coded(CALLER[:length]))
    assert not line.guard.echoing
    assert (np.concatenate(frames) == coded).all()
    assert line.guard.stats() == {}


def test_when_the_agent_has_been_silent_everything_is_the_callers():
    line = Line()
    line.say(SAID)
    for _ in range(60):
        line.frame(np.zeros(160, np.int16), False)
    frames = [line.frame(np.zeros(160, np.int16), False, CALLER[n * 160 : n * 160 + 160] // 20) for n in range(100)]
    assert sum(bool(frame.any()) for frame in frames) > 60
