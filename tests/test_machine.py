import asyncio

import pytest

from gateway.machine import Driver, Timers


def test_timers_come_due_in_order_and_once():
    timers = Timers()
    timers.set("b", 2.0)
    timers.set("a", 1.0)
    timers.set("b", 3.0)  # replaced
    timers.set("c", 1.5)
    timers.cancel("c")
    assert (timers.deadline(), len(timers)) == (1.0, 2)
    assert timers.due(0.5) == []
    assert timers.due(2.5) == ["a"]
    assert timers.due(9.0) == ["b"]
    assert timers.deadline() is None


def test_timers_that_are_replaced_for_ever_do_not_pile_up():
    timers = Timers()
    for number in range(10_000):
        timers.set("one", float(number))
    assert len(timers._heap) < 200
    assert timers.due(1e9) == ["one"]


class Echo:
    """Repeats a word twice, a moment apart; performing may feed it again."""

    def __init__(self):
        self.todo, self.when = [], None

    def say(self, word, now):
        self.todo.append(word)
        self.when = now + 0.01

    def deadline(self):
        return self.when

    def expire(self, now):
        self.when = None
        self.todo.append("again")

    def actions(self):
        taken, self.todo = self.todo, []
        return taken


async def test_the_driver_performs_arms_one_timer_and_may_be_reentered():
    echo, heard = Echo(), []

    def perform(word):
        heard.append(word)
        if word == "one":
            echo.say("two", driver.now())
            driver.drain()  # from within an action

    driver = Driver(echo, perform)
    echo.say("one", driver.now())
    driver.drain()
    assert heard == ["one", "two"]
    async with asyncio.timeout(5):
        while len(heard) < 3:
            await asyncio.sleep(0.005)
    assert heard[2] == "again"
    echo.say("never repeated", driver.now())
    driver.drain()
    driver.close()
    await asyncio.sleep(0.03)
    assert len(heard) == 4


async def test_all_faults_are_told_by_the_first():
    echo = Echo()

    def perform(word):
        raise ValueError(word)

    driver = Driver(echo, perform)
    for word in ("one", "two"):
        echo.say(word, driver.now())
    with pytest.raises(ValueError, match="one") as caught:
        driver.drain()
    assert caught.value.__notes__ == ["and another one: ValueError: two"]
    driver.close()


async def test_an_action_that_fails_costs_no_other_and_is_told():
    echo, heard = Echo(), []

    def perform(word):
        if word == "bad":
            raise ValueError(word)
        heard.append(word)

    driver = Driver(echo, perform)
    for word in ("bad", "good"):
        echo.say(word, driver.now())
    with pytest.raises(ValueError, match="bad"):
        driver.drain()
    assert heard == ["good"]
    async with asyncio.timeout(5):
        while len(heard) < 2:  # its timers run on
            await asyncio.sleep(0.005)
    driver.close()
