import pytest

from gateway.realtime.health import FAILURES, LONGEST, LONGEST_WAIT, SHORTEST, TRIAL_SECONDS, Health, wait

NAMES = ["first", "second", "third"]


class Node:
    def __init__(self):
        self.now = 100.0
        self.health = Health(lambda: self.now)

    def fails(self, name, times=FAILURES):
        for _ in range(times):
            self.health.failed(name)

    def order(self):
        return self.health.order(NAMES)


def test_the_files_order_while_all_is_well():
    node = Node()
    node.fails("first", FAILURES - 1)
    assert node.order() == NAMES
    node.health.succeeded("first")
    node.fails("first", FAILURES - 1)  # not in a row
    assert node.order() == NAMES
    assert not node.health.is_down("first")


def test_who_fails_is_asked_last_and_one_call_tries_it_again():
    node = Node()
    node.fails("first")
    assert node.health.is_down("first")
    assert node.order() == ["second", "third", "first"]
    node.now += SHORTEST
    assert not node.health.is_down("first")
    assert node.order() == NAMES  # this call tries
    assert node.order() == ["second", "third", "first"]  # the others wait for what comes of it
    node.health.succeeded("first")
    assert node.order() == NAMES


def test_a_trial_of_which_nothing_is_heard_is_somebody_elses():
    node = Node()
    node.fails("first")
    node.now += SHORTEST
    node.order()
    node.now += TRIAL_SECONDS
    assert node.order() == NAMES


def test_the_rest_grows_up_to_a_limit():
    node, rests = Node(), []
    node.fails("second")
    for _ in range(6):
        began = node.now
        while node.order() != NAMES:
            node.now += 1.0
        rests.append(node.now - began)
        node.health.failed("second")
    assert rests == [SHORTEST, 20, 40, 80, LONGEST, LONGEST]


def test_one_refusal_is_enough_and_nobody_is_left_out():
    node = Node()
    node.health.failed("first", refused="invalid_api_key")
    assert node.order() == ["second", "third", "first"]
    for name in NAMES:
        node.fails(name)
    assert sorted(node.order()) == sorted(NAMES)  # all are down: asked all the same


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_waits_grow_and_differ_by_chance(chance):
    waits = [wait(attempt, chance) for attempt in range(1, 10)]
    assert waits == sorted(waits)
    assert 0.05 <= waits[0] <= 0.1
    assert waits[-1] == LONGEST_WAIT * (0.5 + chance / 2)
