import itertools

from gateway.rtp.clock import SLOTS, MediaClock


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
    clock = MediaClock(frames.append)
    clock.join("call")
    loop.run(0.1)
    loop.now += 0.2  # the process was held up
    loop.run(0.1)
    assert len(frames) == 20
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
