import pytest

from gateway.errors import NoMediaPort
from gateway.rtp.ports import PortPool


def test_even_ports_each_lent_once_and_rested_before_the_next_call():
    now = 0.0
    pool = PortPool(20001, 20006, lambda: now, rest=30)
    assert [pool.take(), pool.take(), pool.take()] == [20002, 20004, 20006]
    with pytest.raises(NoMediaPort, match="20001-20006"):
        pool.take()
    pool.give_back(20004)
    now = 29.0
    assert len(pool) == 0
    with pytest.raises(NoMediaPort):
        pool.take()
    now = 30.0
    assert len(pool) == 1
    assert pool.take() == 20004
