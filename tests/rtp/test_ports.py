import itertools

import pytest

from gateway.errors import NoMediaPort
from gateway.rtp.ports import PortPool


def test_even_ports_each_lent_once_and_rested_before_the_next_call():
    now = 0.0
    pool = PortPool(20001, 20006, lambda: now, rest=30)
    assert sorted([pool.take(), pool.take(), pool.take()]) == [20002, 20004, 20006]
    with pytest.raises(NoMediaPort, match="20001-20006"):
        pool.take()
    pool.give_back(20004)
    pool.give_back(20004)  # a second time changes nothing
    now = 29.0
    assert len(pool) == 0
    with pytest.raises(NoMediaPort):
        pool.take()
    now = 30.0
    assert len(pool) == 1
    assert pool.take() == 20004


def test_the_next_port_cannot_be_guessed_from_the_last():
    pool = PortPool(20000, 29999, lambda: 0.0)
    taken = [pool.take() for _ in range(200)]
    assert len(set(taken)) == 200
    steps = [b - a for a, b in itertools.pairwise(taken)]
    assert steps.count(2) < 5
    assert max(taken) - min(taken) > 8000
