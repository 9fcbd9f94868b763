from gateway.bridge.media.latency_stats import MOST, DelayHistogram, LatencyStats


def test_from_the_first_delta_to_the_first_packet():
    one = LatencyStats()
    assert not one.waits
    one.asked(1.0)
    one.asked(1.5)  # more of the same words
    assert one.waits
    one.sent(False, 1.001)
    one.sent(True, 1.004)
    one.sent(True, 1.024)
    assert one.stats() == {"first_word_ms": [4.0]}


def test_from_an_interruption_to_the_last_packet_of_what_was_said():
    one = LatencyStats()
    one.hushed(2.0)
    one.sent(True, 2.003)  # the end, fading
    one.sent(False, 2.023)
    assert one.stats() == {"silence_ms": [3.0]}
    one.hushed(3.0)
    one.asked(3.001)  # the next answer begins before the line was silent
    one.sent(True, 3.005)
    assert one.stats() == {"first_word_ms": [4.0], "silence_ms": [3.0, 0.0]}
    assert not one.waits


def test_a_long_call_keeps_no_more_than_it_may():
    one = LatencyStats()
    for at in range(2 * MOST):
        one.asked(float(at))
        one.sent(True, at + 0.005)
    assert len(one.stats()["first_word_ms"]) == MOST


def test_counts_as_prometheus_wants_them():
    delays = DelayHistogram()
    for seconds in (0.0005, 0.001, 0.004, 3.0):
        delays.add(seconds)
    found = dict(delays.cumulative())
    assert (found["0.001"], found["0.005"], found["0.1"], found["+Inf"]) == (2.0, 3.0, 3.0, 4.0)
    assert delays.total == 3.0055
