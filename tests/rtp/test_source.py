from ipaddress import ip_network

import pytest

from gateway.rtp.source import LOCK_AFTER, MAX_PROBATIONS, PROBATION_SECONDS, SILENCE_SECONDS, Source, Trust

PEER, OTHER_PORT = ("192.0.2.10", 4000), ("192.0.2.10", 4100)
NAT, NAT_MOVED = ("203.0.113.5", 31000), ("203.0.113.5", 32000)
THIEF = ("198.51.100.1", 4000)
TRUNK = (ip_network("203.0.113.0/24"),)


def source(follow="never", networks=()):
    one = Source()
    one.expect(PEER, Trust(networks, follow))
    return one


def send(one, address, count=20, now=0.0):
    return [one.accepts(address, now + n * 0.02) for n in range(count)]


@pytest.mark.parametrize("follow", ["never", "trusted"])
def test_a_stranger_is_never_heard_however_much_he_sends(follow):
    one = source(follow, TRUNK)
    assert not any(send(one, THIEF, 500))
    assert one.current is None
    assert one.target(0.0) == PEER


def test_the_signalled_address_wins_over_whoever_came_first():
    one = source("trusted", TRUNK)
    send(one, NAT)
    assert (one.current, one.target(1.0)) == (NAT, NAT)
    assert one.accepts(PEER, 1.0)
    assert (one.current, one.target(1.0)) == (PEER, PEER)
    assert not any(send(one, NAT, 20, 1.0))


def test_behind_a_nat_media_goes_back_to_where_it_comes_from():
    one = source("trusted", TRUNK)
    assert send(one, NAT, LOCK_AFTER) == [False] * (LOCK_AFTER - 1) + [True]
    assert one.target(0.1) == NAT
    assert not any(send(one, NAT_MOVED, 20, 0.2))  # the one before is still there
    later = 0.2 + 20 * 0.02 + SILENCE_SECONDS
    assert send(one, NAT_MOVED, LOCK_AFTER, later)[-1]
    assert one.target(later) == NAT_MOVED


def test_another_port_of_the_same_host_is_listened_to_and_not_sent_to():
    """Not everybody sends from where it listens; but only SIP shows a NAT."""
    one = source()
    send(one, OTHER_PORT)
    assert (one.current, one.target(1.0)) == (OTHER_PORT, PEER)


def test_a_trunk_may_have_media_from_anywhere():
    one = source("any")
    send(one, THIEF)
    assert one.target(1.0) == THIEF


def test_two_who_take_turns_are_none():
    one = source("any")
    assert not any(one.accepts(THIEF if n % 2 else NAT, 0.0) for n in range(40))


def test_a_reinvite_moves_the_stream_and_one_that_changes_nothing_keeps_it():
    one = source("trusted", TRUNK)
    send(one, NAT)
    one.expect(PEER, Trust(TRUNK, "trusted"))
    assert one.current == NAT
    one.expect(THIEF, Trust(TRUNK, "trusted"))
    assert one.current is None
    assert one.accepts(THIEF, 1.0)


def test_nobody_is_flooded_in_whose_name_somebody_calls():
    one = source()
    assert one.target(10.0) == PEER
    assert one.target(10.0 + PROBATION_SECONDS - 0.01) == PEER
    assert one.target(10.0 + PROBATION_SECONDS) is None
    one.spoke()  # RTCP of that host
    assert one.target(20.0) == PEER


def test_who_is_vouched_for_need_not_speak():
    one = source(networks=(ip_network("192.0.2.0/24"),))
    assert one.target(1e6) == PEER


def test_the_second_of_a_doubtful_address_is_not_had_again_and_again():
    one, got = Source(), 0
    for n in range(20):
        one.expect((f"192.0.2.{n}", 4000), Trust())
        got += one.target(n * 10.0) is not None
    assert got == MAX_PROBATIONS


def test_a_name_is_nobody_who_could_be_vouched_for():
    assert not Trust((ip_network("0.0.0.0/0"),)).vouches("localhost")
