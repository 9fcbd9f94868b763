from gateway.sip.bans import (
    ACCOUNTS,
    BAN_SECONDS,
    CHALLENGES,
    MAX_SOURCES,
    STRIKE_SECONDS,
    STRIKES,
    WRONG_PASSWORDS,
    Bans,
)

HOST = "203.0.113.9"


def strike(bans, times, now=0.0, host=HOST):
    for _ in range(times):
        bans.strike(host, now, "INVITE from an address of no trunk")


def guess(bans, account, times=WRONG_PASSWORDS, now=0.0):
    for _ in range(times):
        bans.wrong_password(HOST, account, now)


def test_too_many_requests_shut_an_address_out_for_a_while():
    bans = Bans()
    strike(bans, STRIKES - 1)
    assert not bans.banned(HOST, 0.0)
    strike(bans, 1)
    assert bans.banned(HOST, BAN_SECONDS - 1)
    assert not bans.banned(HOST, BAN_SECONDS + 1)
    (ban,) = bans.news
    assert (ban.address, ban.account) == (HOST, "")
    assert "no trunk" in ban.reason


def test_who_asks_seldom_is_answered_for_ever():
    bans = Bans()
    for number in range(200):
        now = number * STRIKE_SECONDS / (STRIKES - 2)
        assert not bans.banned(HOST, now)
        strike(bans, 1, now)


def test_a_guessed_account_is_shut_at_that_address_alone():
    bans = Bans()
    guess(bans, "ann")
    assert bans.banned(HOST, 1.0, "ann")
    assert not bans.banned(HOST, 1.0, "ben")
    assert not bans.banned(HOST, 1.0)
    assert not bans.banned("203.0.113.10", 1.0, "ann")


def test_who_guesses_one_account_after_the_other_is_shut_out_as_a_whole():
    bans = Bans()
    for number in range(ACCOUNTS):
        assert not bans.banned(HOST, 0.0)
        guess(bans, f"user{number}")
    assert bans.banned(HOST, 1.0)


def test_a_good_login_forgives_its_own_account_only():
    bans = Bans()
    guess(bans, "ann", WRONG_PASSWORDS - 1)
    guess(bans, "ben", WRONG_PASSWORDS - 1)
    bans.logged_in(HOST, "ann")
    guess(bans, "ann", 1)
    guess(bans, "ben", 1)
    assert [one.account for one in bans.current(1.0)] == ["ben"]


def test_an_office_that_comes_back_is_not_taken_for_a_scanner():
    bans = Bans()
    for number in range(3 * CHALLENGES):
        assert bans.may_challenge(HOST, 0.0)
        bans.logged_in(HOST, f"user{number}")


def test_who_only_ever_asks_is_answered_once_a_second():
    bans = Bans()
    answered = sum(bans.may_challenge(HOST, number / 100) for number in range(1000))  # in 10 s
    assert CHALLENGES <= answered <= CHALLENGES + 10


def test_a_ban_can_be_lifted_in_part_or_as_a_whole():
    bans = Bans()
    guess(bans, "ann")
    guess(bans, "ben")
    strike(bans, STRIKES)
    assert bans.lift(HOST, "ann") == 1
    assert not bans.banned(HOST, 1.0, "ann")
    assert bans.lift(HOST) == 2
    assert bans.current(1.0) == []
    strike(bans, 1)
    assert not bans.banned(HOST, 1.0)  # nothing is left of what it did before


def test_sources_are_not_remembered_for_ever():
    bans = Bans()
    for number in range(MAX_SOURCES + 500):
        host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        strike(bans, 1, host=host)
        bans.wrong_password(host, "ann", 0.0)
    assert len(bans._sources) == len(bans._wrong) == MAX_SOURCES
