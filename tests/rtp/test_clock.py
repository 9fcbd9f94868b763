import itertools

import pytest

from gateway.rtp.clock import FEW, HOLD, SLOTS, BatchTrigger, MediaClock


class Loop:
    """Time that is moved by hand."""

    def __init__(self):
        self.now, self.due = 0.0, []

    def time(self):
        return self.now

    def call_soon(self, function):
        return self.call_at(self.now, function)

    def call_at(self, when, function):
        entry = (when, function)
        self.due.append(entry)
        return type("Handle", (), {"cancel": lambda _: entry in self.due and self.due.remove(entry)})()

    def call_later(self, seconds, function):
        return self.call_at(self.now + seconds, function)

    def run(self, seconds, lateness=0.0):
        until = self.now + seconds
        while self.due and self.due[0][0] <= until:
            when, function = self.due.pop(0)
            self.now = max(self.now, when + lateness)
            function()
        self.now = until


def test_every_member_is_served_once_a_frame_and_members_are_spread(monkeypatch):
    loop = Loop()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    rendered = []
    clock = MediaClock(lambda due: rendered.append((round(loop.now, 4), list(due))))
    for member in range(6):
        clock.join(member)
    loop.run(0.9999)
    for member in range(6):
        times = [at for at, due in rendered if member in due]
        assert len(times) == 50
        assert {round(b - a, 4) for a, b in itertools.pairwise(times)} == {0.02}
    assert {len(due) for _, due in rendered} == {1, 2}
    assert clock.frames == 300
    assert clock.late == 0
    for member in range(6):
        clock.leave(member)
    assert loop.due == []
    assert SLOTS == 4


def test_late_ticks_are_counted_and_caught_up(monkeypatch):
    loop = Loop()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    frames = []
    clock = MediaClock(lambda due: frames.append(round(loop.now, 4)))
    clock.join("call")
    loop.run(0.1)
    before, _ = len(frames), loop.run(0.0)
    loop.now += 0.2  # the process was held up
    loop.run(0.5)
    assert len(frames) == 40
    apart = [round(b - a, 4) for a, b in itertools.pairwise(frames[before:])]
    assert set(apart[:9]) == {0.01}  # twice the speed, and no burst
    assert set(apart[-9:]) == {0.02}
    assert clock.late > 0
    assert 0.19 < clock.worst <= 0.21


def test_after_a_long_sleep_the_past_is_past(monkeypatch):
    loop = Loop()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    frames = []
    clock = MediaClock(frames.append)
    clock.join("call")
    loop.run(0.1)
    loop.now += 3600
    loop.run(0.1)
    assert len(frames) < 12


@pytest.mark.parametrize(("calls", "wait"), [(1, 0), (FEW - 1, 0), (FEW, HOLD), (300, HOLD)])
def test_where_few_share_the_work_nobody_waits_for_the_others(monkeypatch, calls, wait):
    loop = Loop()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    done = []
    BatchTrigger(lambda: calls).ask(lambda: done.append(loop.now))
    loop.run(0.01)
    assert done == [pytest.approx(wait)]


def test_who_has_something_to_say_is_served_at_once_and_is_back_in_time_afterwards(monkeypatch):
    loop = Loop()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    rendered = []
    clock = MediaClock(lambda due: rendered.extend((round(loop.now, 4), member) for member in due))
    for member in "abcd":
        clock.join(member)
    loop.run(1.0)

    def times(member, since):
        return [at for at, one in rendered if one == member and at >= since]

    before = times("c", 0)[-1]
    for turn in range(1, 20):
        loop.run(0.0013 * turn)  # at any moment between two frames
        asked = loop.now
        clock.hurry("c")
        clock.hurry("c")
        loop.run(0.1)
        assert times("c", asked)[0] - asked <= 0.0051
        assert {round(b - a, 4) for a, b in itertools.pairwise(times("c", asked))} == {0.02}
        if turn % 2:  # and once more in the middle
            loop.run(0.0017)
            asked = loop.now
            clock.hurry("c")
            loop.run(0.1)
            assert times("c", asked)[0] - asked <= 0.0051
        clock.settle("c")
        loop.run(0.1)
        assert round((times("c", 0)[-1] - before) % 0.02, 4) in (0, 0.02)  # on the old beat again
        assert max(round(b - a, 4) for a, b in itertools.pairwise(times("c", asked))) <= 0.051
    assert len(times("c", 0)) == pytest.approx(loop.now / 0.02, abs=1.5)  # nothing was sent ahead of time for good
    assert len(times("a", 0)) == pytest.approx(loop.now / 0.02, abs=1.5)
    for moment in range(30):  # more to say at every moment of its way back
        clock.hurry("d")
        loop.run(0.04)
        clock.settle("d")
        loop.run(0.0021 * moment)
        asked = loop.now
        clock.hurry("d")
        loop.run(0.04)
        assert times("d", asked)[0] - asked <= 0.0051
        clock.settle("d")
        loop.run(0.2)
    assert len(times("d", 0)) == pytest.approx(loop.now / 0.02, abs=1.5)
    clock.hurry("d")
    clock.settle("d")
    loop.run(0.021)
    clock.leave("d")
    loop.run(0.1)
    assert len(clock) == 3
