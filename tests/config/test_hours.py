import re

import pytest

from gateway import config
from gateway.errors import ConfigError

FILE = """
hours:
  office:
    timezone: Europe/Berlin
    open: {mon-fri: "08:00-18:00", fri: "08:00-14:00", sat: "09:00-13:00"}
    holidays: {country: DE, state: BY}
    closed: [2026-12-23]
    also: {2026-12-27: "10:00-14:00"}
routes:
  - {called: "+4989*", hours: office, agent: eve}
  - {called: "+4989*", agent: night}
agents: agents
"""


@pytest.fixture
def read(tmp_path):
    (tmp_path / "agents").mkdir()
    for name in ("eve", "night"):
        (tmp_path / "agents" / f"{name}.yaml").write_text("greeting: Hello.\n")

    def given(text=FILE):
        (tmp_path / "gateway.yaml").write_text(text)
        return config.from_file(tmp_path / "gateway.yaml")

    return given


def test_a_calendar_of_the_file(read):
    settings = read()
    office = settings.bridge.hours["office"]
    assert office.week[4] == ((480, 840),)  # the later row stands above
    assert sorted(office.week) == [0, 1, 2, 3, 4, 5]
    assert (office.country, office.state, len(office.closed), len(office.also)) == ("DE", "BY", 1, 1)
    assert not [one for one in config.warnings_of(settings) if "never reached" in one]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("Europe/Berlin", "Europe/Bearlin", r":4: hours.office.timezone: there is no time zone 'Europe/Bearlin'"),
        ("mon-fri:", "mon-fry:", r":5: hours.office.open.mon-fry: 'mon-fry' is no day"),
        ("09:00-13:00", "13:00-13:00", r"hours.office.open.sat: '13:00-13:00' has no length"),
        ("state: BY", "state: XY", r":6: hours.office.holidays: DE has no state 'XY'"),
        ("country: DE", "country: XX", r"there is no country 'XX'"),
        ("10:00-14:00", "10-14", r"is no span of a day"),
        ("[2026-12-23]", "[Christmas]", r":7: hours.office.closed"),
        (
            "hours: office, agent",
            "hours: offices, agent",
            r":10: routes.0.hours: there are no hours 'offices'; these are: office",
        ),
    ],
)
def test_what_cannot_be_is_told_with_its_line(read, old, new, says):
    with pytest.raises(ConfigError) as error:
        read(FILE.replace(old, new, 1))
    told = [str(one) for one in (error.value, *error.value.more)]
    assert any(re.search(says, one) for one in told), told


def test_a_route_that_is_never_reached_is_warned_of(read):
    turned = FILE.replace(", hours: office, agent: eve", ", agent: eve")
    (warning,) = [one for one in config.warnings_of(read(turned)) if "never reached" in one]
    assert warning == "routes.1 (+4989* to agent:night) is never reached: +4989* to agent:eve stands before it"
