"""The pool with sockets that only note what is done to them; with real ones it is in test_client.py."""

import asyncio

from gateway.realtime import pool as module
from gateway.realtime.pool import Pool


class Socket:
    closed = False

    def close(self):
        self.closed = True


class Opener:
    def __init__(self):
        self.sockets, self.heard = [], []
        self.broken = False

    async def __call__(self, on_text, on_close):
        if self.broken:
            raise OSError("nobody is there")
        self.sockets.append(Socket())
        self.heard.append((on_text, on_close))
        return self.sockets[-1]


async def test_it_is_filled_by_the_first_who_asks_and_kept_full():
    pool, opener = Pool(), Opener()
    assert pool.take("a", 2, opener) is None
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    opener.heard[0][0](b"hello")
    warm = pool.take("a", 2, opener)
    assert (warm.socket, warm.frames) == (opener.sockets[0], [b"hello"])
    await asyncio.sleep(0.01)
    assert (pool.waiting("a"), len(opener.sockets)) == (2, 3)
    assert pool.take("b", 0, opener) is None
    pool.close()
    assert [socket.closed for socket in opener.sockets] == [False, True, True]


async def test_what_has_ended_is_not_given_and_who_is_away_harms_nobody():
    pool, opener = Pool(), Opener()
    pool.take("a", 1, opener)
    await asyncio.sleep(0.01)
    opener.heard[0][1](1001, "bye")
    opener.broken = True
    assert pool.take("a", 1, opener) is None
    await asyncio.sleep(0.01)
    assert pool.waiting("a") == 0
    pool.close()


async def test_what_has_waited_too_long_is_replaced(monkeypatch):
    monkeypatch.setattr(module, "WARM_SECONDS", 0.05)
    pool, opener = Pool(), Opener()
    pool.take("a", 1, opener)
    await asyncio.sleep(0.13)
    assert len(opener.sockets) >= 2
    assert opener.sockets[0].closed
    assert pool.waiting("a") == 1
    pool.close()
