"""Opening hours, against a plain reading of them minute by minute."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hours import MINUTES, Hours, check_place, days_of, is_holiday, spans_in, told, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours(
    "office", BERLIN,
    {**{day: spans_in("08:00-12:00, 13:00-18:00") for day in range(5)}, 5: spans_in("09:00-13:00")},
    closed=frozenset({date(2026, 12, 24)}),
    also={date(2026, 12, 27): spans_in("10:00-14:00"), date(2026, 12, 31): ()},
    country="DE", state="BY",
)  # fmt: skip


def at(text, zone=BERLIN, fold=0):
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-12-01 07:59:59", False),
        ("2026-12-01 08:00", True),
        ("2026-12-01 12:00", False),  # lunch
        ("2026-12-01 13:00", True),
        ("2026-12-01 18:00", False),
        ("2026-12-05 10:00", True),  # a Saturday
        ("2026-12-06 10:00", False),
        ("2026-12-24 10:00", False),  # closed
        ("2026-12-25 10:00", False),  # a holiday
        ("2026-12-27 11:00", True),  # a Sunday that is open
        ("2026-12-31 11:00", False),
        ("2026-01-06 10:00", False),  # Epiphany, in Bavaria alone
        ("2026-01-07 10:00", True),
    ],
)
def test_a_year_in_bavaria(when, is_open):
    assert OFFICE.open_at(at(when)) is is_open


def test_the_neighbours_work_on_their_own_holidays():
    assert is_holiday("DE", "BY", date(2026, 1, 6))
    assert not is_holiday("DE", "BE", date(2026, 1, 6))


def test_it_changes_at():
    assert told(OFFICE.changes_at(at("2026-12-23 19:00")), BERLIN) == "Sun 2026-12-27 10:00 CET"
    assert told(OFFICE.changes_at(at("2026-12-01 09:00")), BERLIN) == "Tue 2026-12-01 12:00 CET"
    assert Hours("never", BERLIN, {}).changes_at(at("2026-12-01 09:00")) is None
    always = Hours("always", BERLIN, {day: spans_in("00:00-24:00") for day in range(7)})
    assert always.open_at(at("2026-03-29 03:30"))
    assert always.changes_at(at("2026-12-01 09:00")) is None


NIGHT = Hours("night", BERLIN, {day: spans_in("22:00-06:00") for day in (4, 5)})


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-11-27 21:59", False),
        ("2026-11-27 22:00", True),  # Friday
        ("2026-11-28 05:59", True),
        ("2026-11-28 06:00", False),
        ("2026-11-29 05:59", True),  # Saturday's night
        ("2026-11-29 22:00", False),
        ("2026-11-27 03:00", False),  # Thursday had none
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(when, is_open):
    assert NIGHT.open_at(at(when)) is is_open


def test_the_two_nights_on_which_clocks_are_set():
    early = Hours("early", BERLIN, {6: spans_in("02:15-03:30")})
    spring = at("2026-03-29 01:59:59")  # a second later it is 03:00
    assert not early.open_at(spring)
    assert early.open_at(spring + 1)
    assert early.changes_at(spring - 3600) == spring + 1
    assert early.changes_at(spring + 1) == at("2026-03-29 03:30")
    first, second = at("2026-10-25 02:15"), at("2026-10-25 02:15", fold=1)  # the clock shows it twice
    assert second - first == 3600
    assert early.changes_at(first - 60) == first
    assert early.open_at(first)
    assert not early.open_at(second - 60)  # it is 02:14 again
    assert early.open_at(second)
    assert early.changes_at(second) == at("2026-10-25 03:30")


SPANS = st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda s: s[0] != s[1]), max_size=1)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])


@settings(max_examples=150, deadline=None)
@given(
    ZONES,
    st.dictionaries(st.integers(0, 6), SPANS.map(tuple), max_size=7),
    st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2026-12-31"]),
    st.integers(0, 1440),
)
def test_the_next_change_is_the_first_minute_at_which_it_is_otherwise(zone, week, day, minute):
    hours = Hours("x", ZoneInfo(zone), week)
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp() + 60 * minute
    now = hours.open_at(begin)
    plain = next((begin + 60 * n for n in range(1, 3 * MINUTES) if hours.open_at(begin + 60 * n) != now), None)
    found = hours.changes_at(begin)
    if plain is None:
        assert found is None or found > begin + 60 * (3 * MINUTES - 1)
    else:
        assert found is not None
        assert plain - 60 < found <= plain


@pytest.mark.parametrize(
    ("text", "found"),
    [("mon", [0]), ("mon-fri", [0, 1, 2, 3, 4]), ("sat-mon", [5, 6, 0]), ("daily", list(range(7)))],
)
def test_days(text, found):
    assert days_of(text) == found


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (days_of, "monday", "is no day: mon, tue"),
        (days_of, "mon-fry", "is no day"),
        (spans_in, "8-18", "is no span of a day, such as 08:00-18:00"),
        (spans_in, "08:00-25:00", "is no span"),
        (spans_in, "08:60-18:00", "is no span"),
        (spans_in, "08:00-08:00", "has no length; 00:00-24:00 is all day"),
        (spans_in, "08:00-12:00, 11:00-18:00", "has spans that overlap"),
        (spans_in, "22:00-06:00, 23:00-23:30", "has spans that overlap"),
        (zone_of, "Europe/Bearlin", "there is no time zone 'Europe/Bearlin'"),
    ],
)
def test_what_is_none_is_said(read, text, says):
    with pytest.raises(ValueError, match=says):
        read(text)


def test_places():
    check_place("DE", "BY")
    check_place("DE", "")
    with pytest.raises(ValueError, match="there is no country 'XX'"):
        check_place("XX", "")
    with pytest.raises(ValueError, match=r"DE has no state 'XY'; these are: .*BY"):
        check_place("DE", "XY")


def test_days_are_those_of_the_place():
    sydney = Hours("s", ZoneInfo("Australia/Sydney"), {0: spans_in("08:00-18:00")})
    assert sydney.open_at(at("2026-11-29 22:30", ZoneInfo("UTC")))  # it is Monday there
