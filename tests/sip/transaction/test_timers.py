from gateway.sip.transaction.timers import Timing


def test_the_defaults_are_those_of_the_rfc():
    """RFC 3261 table 4: T1 500 ms, T2 4 s, T4 5 s, and 64*T1."""
    timing = Timing()
    assert (timing.t1, timing.t2, timing.t4, timing.transaction_timeout) == (0.5, 4.0, 5.0, 32.0)
