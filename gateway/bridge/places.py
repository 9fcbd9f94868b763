"""Where a call can be without an agent, and what leads there: menus, mailboxes, calendars with two ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.agents import Prompted
from gateway.destinations import Destination

HANG_UP = Destination("hangup")
NOTHING = Prompted()
"""Nothing is said."""


@dataclass(frozen=True, slots=True)
class Menu:
    """It says `says`, and waits for one of `keys`, each one digit or several.

    Who presses nothing for `wait_seconds`, or something else (`wrong` is said then), hears it again, `tries` times in
    all, and goes on to `otherwise`; who speaks instead goes to `speech`, where there is one. A key that begins a longer
    one counts after `digit_seconds`. `answer: early` says it before the call is answered (RFC 3960), on trunks that let
    it.
    """

    name: str
    says: Prompted
    keys: Mapping[str, Destination]
    otherwise: Destination = HANG_UP
    speech: Destination | None = None
    wrong: Prompted = NOTHING
    wait_seconds: float = 5.0
    digit_seconds: float = 2.0
    tries: int = 2
    answer: Literal["at_once", "early"] = "at_once"

    def ways(self) -> Iterator[tuple[str, Destination]]:
        """Each with the key of the file that names it."""
        yield from ((f"keys.{key}", to) for key, to in self.keys.items())
        yield "otherwise", self.otherwise
        if self.speech:
            yield "speech", self.speech


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A caller hears `says` and a beep, and speaks: until `#`, until nothing is heard for `silence_seconds`, or for
    `max_seconds`; then `thanks`. Less than `least_seconds` of it is not kept."""

    name: str
    says: Prompted
    thanks: Prompted = NOTHING
    max_seconds: float = 180.0
    silence_seconds: float = 5.0
    least_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Fork:
    """Where `hours:NAME` leads."""

    open_to: Destination
    closed_to: Destination


@dataclass(frozen=True, slots=True)
class Places:
    """Those of the gateway's file, by name."""

    menus: Mapping[str, Menu] = field(default_factory=dict)
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict)
    forks: Mapping[str, Fork] = field(default_factory=dict)

    def circle(self) -> list[Destination]:
        """Places that lead back to where they began though nobody does anything; empty where there are none."""
        leads: dict[Destination, list[Destination]] = {
            Destination("menu", name): [menu.otherwise] for name, menu in self.menus.items()
        }
        leads |= {Destination("hours", name): [one.open_to, one.closed_to] for name, one in self.forks.items()}
        for begin in leads:
            if found := _way_back(leads, begin, [begin]):
                return found
        return []


def _way_back(
    leads: Mapping[Destination, list[Destination]], begin: Destination, path: list[Destination]
) -> list[Destination]:
    for further in leads.get(path[-1], ()):
        if further == begin:
            return [*path, begin]
        if further not in path and (found := _way_back(leads, begin, [*path, further])):
            return found
    return []


NOWHERE = Places()
