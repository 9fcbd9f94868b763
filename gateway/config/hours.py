"""The section hours of the gateway's file: calendars that routes name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from gateway.destinations import Destination, read
from gateway.document import Faults, Section, says
from gateway.errors import ConfigError
from gateway.hours import Hours, check_place, days_of, spans_in, zone_of

Goal = Annotated[
    Destination,
    BeforeValidator(lambda value: read(value) if isinstance(value, str) else value),
    PlainSerializer(str),
    WithJsonSchema({"type": "string"}),
]
"""A destination, as text in a file."""


class Holidays(Section):
    """Of a country, and of one of its states, by the package `holidays`."""

    country: Annotated[str, says("two letters of ISO 3166-1: closed on its holidays", "DE", pattern="^[A-Z]{2}$")]
    state: Annotated[str, says("and on those of a state of it, as ISO 3166-2 has it after the hyphen", "BY")] = ""


class HoursRow(Section):
    """Days and their hours, by the clock of a place."""

    timezone: Annotated[str, says("whose clock counts", "Europe/Berlin")]
    open: Annotated[
        dict[str, str],
        says(
            "days (`mon`, `mon-fri`, `daily`) and their hours; several with commas, over midnight as "
            "`22:00-06:00`, all day as `00:00-24:00`; a later row stands above an earlier one",
            {"mon-fri": "08:00-12:00, 13:00-18:00", "sat": "09:00-13:00"},
            min_length=1,
        ),
    ]
    holidays: Holidays | None = None
    closed: Annotated[tuple[date, ...], says("dates on which it is closed", ["2026-12-24"])] = ()
    open_to: Annotated[Goal | None, says("where the destination `hours:NAME` leads while it is open", "menu:main")] = (
        None
    )
    closed_to: Annotated[Goal | None, says("and where while it is not", "voicemail:night")] = None
    also: Annotated[
        dict[date, str], says("dates with hours of their own, holidays or not", {"2026-12-27": "10:00-14:00"})
    ] = Field(default={})


def hours_of(rows: Mapping[str, HoursRow], source: str) -> dict[str, Hours]:
    """Raises ConfigError, all others in its `more`."""
    faults = Faults()

    def read(key: str, make: Any, *given: Any) -> Any:
        def work() -> Any:
            try:
                return make(*given)
            except ValueError as error:
                raise ConfigError(source, str(error), key=key) from error

        return faults.of(work)

    found = {}
    for name, row in rows.items():
        place = f"hours.{name}"
        if not re.fullmatch("[A-Za-z0-9_-]+", name):
            faults.add(ConfigError(source, "a calendar's name has letters, digits, - and _ alone", key=place))
        zone = read(f"{place}.timezone", zone_of, row.timezone)
        week = {}
        for days, text in row.open.items():
            spans = read(f"{place}.open.{days}", spans_in, text)
            for day in read(f"{place}.open.{days}", days_of, days) or ():
                week[day] = spans or ()
        if row.holidays:
            read(f"{place}.holidays", check_place, row.holidays.country, row.holidays.state)
        also = {day: read(f"{place}.also.{day}", spans_in, text) or () for day, text in row.also.items()}
        country, state = (row.holidays.country, row.holidays.state) if row.holidays else ("", "")
        if zone:
            found[name] = Hours(name, zone, week, frozenset(row.closed), also, country, state)
    faults.tell()
    return found
