import pytest

from gateway.pacing import TokenBucket, backoff


def test_a_burst_passes_and_then_so_many_a_second():
    bucket = TokenBucket(2.0, 3.0, now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take(10.25) == pytest.approx(0.25)
    assert bucket.take(10.5) == 0
    assert [bucket.take(99.0) for _ in range(4)] == [0, 0, 0, 0.5]  # no more is saved up than a burst


def test_it_may_begin_with_less_and_take_other_limits():
    bucket = TokenBucket(1.0, 5.0, now=0.0, left=1.0)
    assert [bucket.take(0.0), bucket.take(0.0)] == [0, 1.0]
    bucket.use(10.0, 10.0)
    assert bucket.take(0.1) == 0


def test_waits_grow_to_their_longest_and_chance_spreads_them():
    assert [backoff(attempt, 0.1, 1.0) for attempt in (1, 2, 3, 9)] == [0.1, 0.2, 0.4, 1.0]
    assert backoff(2, 0.1, 1.0, chance=0.0, spread=0.5) == 0.1
    assert backoff(2, 0.1, 1.0, chance=1.0, spread=0.5) == 0.2
