from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.bridge import Route, Router
from gateway.errors import NoRoute
from gateway.hours import Hours, Override, spans_in

UTC = ZoneInfo("UTC")
ROUTER = Router((Route("+1555*", "sales"), Route("Reception", "bob"), Route("[0-9][0-9]", "extensions")))


@pytest.mark.parametrize(("called", "agent"), [("+15551234", "sales"), ("reception", "bob"), ("42", "extensions")])
def test_the_first_that_fits_answers(called, agent):
    assert ROUTER.agent_for(called) == agent


def test_a_route_may_be_for_one_trunk():
    router = Router((Route("*", "bob", trunk="acme*"), Route("1*", "eve")))
    assert [router.agent_for("123", "acme-eu"), router.agent_for("123", "other")] == ["bob", "eve"]
    with pytest.raises(NoRoute, match=r"is for the trunk 'acme\*', not ''"):
        router.agent_for("99")


def test_a_number_that_nobody_answers_for_names_every_rule():
    with pytest.raises(NoRoute) as caught:
        ROUTER.agent_for("421")
    assert str(caught.value).count("does not match") == 3
    assert "'[0-9][0-9]' (extensions)" in str(caught.value)


def test_a_route_may_have_hours():
    berlin = ZoneInfo("Europe/Berlin")
    hours = {"office": Hours("office", berlin, {0: spans_in("08:00-18:00")})}
    router = Router((Route("+1*", "desk", hours="office"), Route("+1*", "holiday", hours="!office")), hours)
    monday = datetime(2026, 11, 30, 9, 0, tzinfo=berlin).timestamp()
    assert router.agent_for("+1555", now=monday) == "desk"
    assert router.agent_for("+1555", now=monday + 86400) == "holiday"
    with pytest.raises(NoRoute, match=r"is for other hours: office"):
        Router((Route("*", "desk", hours="office"),), hours).agent_for("x", now=monday + 86400)


def test_what_is_said_by_hand_stands_above_the_calendar_until_its_time():
    router = Router((Route("*", "desk", hours="office"), Route("*", "night")), {"office": Hours("office", UTC, {})})
    assert router.agent_for("x", now=100.0) == "night"
    router.overrides = {"office": Override(True, 200.0)}
    assert [router.agent_for("x", now=now) for now in (100.0, 199.9, 200.0)] == ["desk", "desk", "night"]


@pytest.mark.parametrize(
    ("first", "second", "covers"),
    [
        (Route("*", "a"), Route("+1*", "b", trunk="x"), True),
        (Route("+1*", "a"), Route("+1*", "b"), True),
        (Route("+1*", "a"), Route("*", "b"), False),
        (Route("*", "a", hours="h"), Route("*", "b"), False),
        (Route("*", "a", hours="h"), Route("*", "b", hours="!h"), False),
        (Route("*", "a", hours="h"), Route("+1*", "b", hours="h"), True),
        (Route("*", "a", attestation="A"), Route("*", "b"), False),
    ],
)
def test_one_that_covers_another(first, second, covers):
    assert first.covers(second) is covers
