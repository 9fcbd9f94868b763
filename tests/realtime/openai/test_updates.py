"""Updates of a session that is answered late, in part, or with a refusal."""

from dataclasses import replace

import pytest

from gateway.realtime.openai.dialects import SessionConfig
from gateway.realtime.openai.updates import Updates, differences

BASE = SessionConfig(instructions="base", voice="ash")
FIRST = replace(BASE, instructions="first", tools=[{"name": "bad"}])
SECOND = replace(BASE, instructions="second", tools=[{"name": "bad"}])


def updates():
    return Updates(BASE, {"instructions", "tools"})


def ask(one, event_id, config):
    one.sent(event_id, config, differences(one.wanted, config))


def test_one_that_is_taken_stands():
    one = updates()
    ask(one, "e1", FIRST)
    assert (one.standing, one.wanted, one.pending) == (BASE, FIRST, True)
    one.accepted()
    assert (one.standing, one.has, one.pending, one.due()) == (FIRST, FIRST, False, set())


def test_the_newest_is_refused_and_the_one_before_it_that_waits_is_wanted_again():
    one = updates()
    ask(one, "e1", FIRST)
    ask(one, "e2", SECOND)
    one.refused("e2")
    assert one.wanted is FIRST
    one.accepted()
    assert one.standing is FIRST
    assert not one.due()


def test_the_first_is_refused_and_the_second_gets_what_it_lacks():
    one = updates()
    ask(one, "e1", FIRST)
    ask(one, "e2", SECOND)
    one.refused("e1")
    assert one.wanted is SECOND
    assert not one.due()  # the second is not answered yet
    one.accepted()
    assert one.standing is BASE
    assert one.due() == {"tools"}  # which only the first had brought
    one.sent("e3", SECOND, one.due())
    one.accepted()
    assert one.standing is SECOND


def test_what_is_refused_again_leads_back_to_what_stood_and_not_round_in_circles():
    one = updates()
    ask(one, "e1", FIRST)
    ask(one, "e2", SECOND)
    one.refused("e1")
    one.accepted()
    one.sent("e3", SECOND, one.due())
    one.refused("e3")
    assert one.wanted is BASE
    assert one.due() == {"instructions"}
    one.sent("e4", BASE, one.due())
    one.refused("e4")  # a server that refuses what it has had
    assert not one.due()


@pytest.mark.parametrize("answer", [lambda one: one.accepted(), lambda one: one.refused("e1")])
def test_a_probe_takes_its_place_in_the_order_and_changes_nothing(answer):
    one = updates()
    one.sent("e1", None, ())
    ask(one, "e2", FIRST)
    assert one.probing
    assert one.is_probe("e1")
    assert not one.is_probe("e2")
    answer(one)
    assert not one.probing
    assert (one.standing, one.wanted) == (BASE, FIRST)
    one.accepted()
    assert one.standing is FIRST


def test_what_changes_nothing_for_the_server_needs_no_update():
    one = updates()
    same = replace(BASE)
    assert one.unchanged(same)
    assert one.standing is same
    ask(one, "e1", FIRST)
    assert not one.unchanged(replace(FIRST))  # the first may still be refused


def test_answers_that_nobody_waits_for():
    one = updates()
    one.accepted()
    one.refused("e9")
    assert (one.standing, one.wanted, one.oldest()) == (BASE, BASE, "")
