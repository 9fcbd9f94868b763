"""When somebody is there: weeks with their hours, holidays and exceptions, by the clock of a place.

Values and times alone; `zoneinfo` knows the clocks, `holidays` the holidays of countries and their states.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES = 24 * 60
FARTHEST_DAYS = 370
"""How far ahead a change is looked for."""


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody, `by` name, said of a calendar that it is open, or that it is not, until a time (epoch s)."""

    open: bool
    until: float
    by: str = ""


Span = tuple[int, int]
"""Minutes of a day, from (including) and to (excluding); where the second is not greater it is of the next day."""


@dataclass(frozen=True, slots=True)
class Hours:
    """`week` by weekday, Monday is 0. On a date of `also` that stands instead; on one of `closed`, and on holidays of
    `country` (and `state`), there is nothing unless `also` says so.
    """

    name: str
    zone: ZoneInfo
    week: Mapping[int, tuple[Span, ...]]
    closed: frozenset[date] = frozenset()
    also: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)
    country: str = ""
    state: str = ""

    def spans_of(self, day: date) -> tuple[Span, ...]:
        if day in self.also:
            return self.also[day]
        if day in self.closed or (self.country and is_holiday(self.country, self.state, day)):
            return ()
        return self.week.get(day.weekday(), ())

    def open_at(self, epoch: float) -> bool:
        """By the clock on the wall there; a day that begins before midnight and ends after it is one day's."""
        local = datetime.fromtimestamp(epoch, self.zone)
        minute, today = local.hour * 60 + local.minute, local.date()
        for start, end in self.spans_of(today):
            if start <= minute < (end if end > start else MINUTES):
                return True
        return any(end <= start and minute < end for start, end in self.spans_of(today - timedelta(days=1)))

    def changes_at(self, epoch: float) -> float | None:
        """When it opens or closes next, in epoch s; None where that is more than a year away."""
        now = self.open_at(epoch)
        day = datetime.fromtimestamp(epoch, self.zone).date() - timedelta(days=1)
        for _ in range(FARTHEST_DAYS):
            for at in sorted(self._moments(day)):
                if at > epoch and self.open_at(at) != now:
                    return at
            day += timedelta(days=1)
        return None

    def _moments(self, day: date) -> set[float]:
        """Those of a day at which it may open or close: where its spans begin and end, which the clock shows twice on
        the night on which it is set back, and where the clock is set."""
        midnight = datetime.combine(day, datetime.min.time())
        minutes = {minute for span in self.spans_of(day) for minute in span} | {
            end + MINUTES for start, end in self.spans_of(day) if end <= start
        }
        walls = [midnight + timedelta(minutes=minute) for minute in minutes]
        found = {wall.replace(tzinfo=self.zone, fold=fold).timestamp() for wall in walls for fold in (0, 1)}
        low, high = ((midnight + timedelta(days=days)).replace(tzinfo=self.zone, fold=1).timestamp() for days in (0, 1))
        if self._offset(low) != self._offset(high):
            first = self._offset(low)
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if self._offset(middle) == first else (low, middle)
            found.add(high)
        return found

    def _offset(self, epoch: float) -> timedelta | None:
        return datetime.fromtimestamp(epoch, self.zone).utcoffset()


@cache
def _holidays_of(country: str, state: str, year: int) -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays(country, subdiv=state or None, years=year))


def is_holiday(country: str, state: str, day: date) -> bool:
    return day in _holidays_of(country, state, day.year)


def check_place(country: str, state: str) -> None:
    """Raises ValueError, which names what there is."""
    import holidays

    known = holidays.list_supported_countries()
    if country not in known:
        raise ValueError(f"there is no country {country!r}: two letters of ISO 3166-1 are wanted, such as DE")
    if state and state not in known[country]:
        there = ", ".join(known[country]) or "none"
        raise ValueError(f"{country} has no state {state!r}; these are: {there}")


def zone_of(name: str) -> ZoneInfo:
    """Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: one is like Europe/Berlin or UTC") from error


def days_of(text: str) -> list[int]:
    """`mon`, `mon-fri`, `sat-mon`, `daily`. Raises ValueError."""
    if text == "daily":
        return list(range(7))
    first, _, last = text.lower().partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise ValueError(f"{text!r} is no day: {', '.join(DAYS)}, such as mon-fri, or daily")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if last else 0
    return [(begin + step) % 7 for step in range(length + 1)]


def spans_in(text: str) -> tuple[Span, ...]:
    """`08:00-12:00, 13:00-18:00`; to `24:00`, or over midnight as `22:00-06:00`; empty is closed. Raises ValueError."""
    found = list[Span]()
    for one in filter(None, (part.strip() for part in text.split(","))):
        times = re.fullmatch(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)", one)
        numbers = [int(part) for part in times.groups()] if times else [99, 0, 99, 0]
        start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if start >= MINUTES or end > MINUTES or max(numbers[1], numbers[3]) > 59:
            raise ValueError(f"{one!r} is no span of a day, such as 08:00-18:00")
        if start == end:
            raise ValueError(f"{one!r} has no length; 00:00-24:00 is all day")
        found.append((start, end))
    found.sort()
    for (start, end), (later, _) in pairwise(found):
        if end <= start or later < end:
            raise ValueError(f"{text!r} has spans that overlap")
    return tuple(found)


def told(epoch: float, zone: ZoneInfo) -> str:
    """A moment as people there write it."""
    return datetime.fromtimestamp(epoch, UTC).astimezone(zone).strftime("%a %Y-%m-%d %H:%M %Z")
