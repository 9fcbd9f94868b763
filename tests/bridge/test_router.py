from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.bridge import Route, Router
from gateway.destinations import read
from gateway.errors import NoRoute
from gateway.hours import Hours, Override, spans_in

UTC = ZoneInfo("UTC")


def _to(called, agent, **more):
    return Route(called, read(f"agent:{agent}"), **more)


def answers(router, *call, **more):
    return router.route_for(*call, **more).to.name


ROUTER = Router((_to("+1555*", "sales"), _to("Reception", "bob"), _to("[0-9][0-9]", "extensions")))


@pytest.mark.parametrize(("called", "agent"), [("+15551234", "sales"), ("reception", "bob"), ("42", "extensions")])
def test_the_first_that_fits_answers(called, agent):
    assert answers(ROUTER, called) == agent


def test_a_route_may_be_for_one_trunk():
    router = Router((_to("*", "bob", trunk="acme*"), _to("1*", "eve")))
    assert [answers(router, "123", "acme-eu"), answers(router, "123", "other")] == ["bob", "eve"]
    with pytest.raises(NoRoute, match=r"is for the trunk 'acme\*', not ''"):
        answers(router, "99")


def test_a_number_that_nobody_answers_for_names_every_rule():
    with pytest.raises(NoRoute) as caught:
        answers(ROUTER, "421")
    assert str(caught.value).count("does not match") == 3
    assert "'[0-9][0-9]' (agent:extensions)" in str(caught.value)


def test_a_route_may_have_hours():
    berlin = ZoneInfo("Europe/Berlin")
    hours = {"office": Hours("office", berlin, {0: spans_in("08:00-18:00")})}
    router = Router((_to("+1*", "desk", hours="office"), _to("+1*", "holiday", hours="!office")), hours)
    monday = datetime(2026, 11, 30, 9, 0, tzinfo=berlin).timestamp()
    assert answers(router, "+1555", now=monday) == "desk"
    assert answers(router, "+1555", now=monday + 86400) == "holiday"
    with pytest.raises(NoRoute, match=r"is for other hours: office"):
        Router((_to("*", "desk", hours="office"),), hours).route_for("x", now=monday + 86400)


def test_what_is_said_by_hand_stands_above_the_calendar_until_its_time():
    router = Router((_to("*", "desk", hours="office"), _to("*", "night")), {"office": Hours("office", UTC, {})})
    assert answers(router, "x", now=100.0) == "night"
    router.overrides = {"office": Override(True, 200.0)}
    assert [answers(router, "x", now=now) for now in (100.0, 199.9, 200.0)] == ["desk", "desk", "night"]
    assert (router.hours_at(100.0), router.hours_at(200.0)) == ({"office": True}, {"office": False})


@pytest.mark.parametrize(
    ("first", "second", "covers"),
    [
        (_to("*", "a"), _to("+1*", "b", trunk="x"), True),
        (_to("+1*", "a"), _to("+1*", "b"), True),
        (_to("+1*", "a"), _to("*", "b"), False),
        (_to("*", "a", hours="h"), _to("*", "b"), False),
        (_to("*", "a", hours="h"), _to("*", "b", hours="!h"), False),
        (_to("*", "a", hours="h"), _to("+1*", "b", hours="h"), True),
        (_to("*", "a", attestation="A"), _to("*", "b"), False),
    ],
)
def test_one_that_covers_another(first, second, covers):
    assert first.covers(second) is covers
