"""Where a call goes that comes in: the first route whose patterns fit the trunk and the called number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.bridge.places import HANG_UP, Fork
from gateway.destinations import Destination
from gateway.errors import NoRoute
from gateway.hours import Hours, Override


@dataclass(frozen=True, slots=True)
class Route:
    """Shell patterns (`*`, `?`, `[0-9]`): `called` on the called number, where and as its trunk reads it; `trunk` on
    the trunk's name; `attestation` on what the caller's carrier attests: A, B, C, or nothing. `hours` names a calendar
    that has to be open, or with `!` before it closed. Who cannot be taken at `to` goes `otherwise`."""

    called: str
    to: Destination
    trunk: str = "*"
    attestation: str = "*"
    hours: str = ""
    otherwise: Destination | None = None

    def covers(self, other: Route) -> bool:
        """Every call that fits `other` fits this one, as far as patterns can be compared."""
        pairs = ((self.called, other.called), (self.trunk, other.trunk), (self.attestation, other.attestation))
        return all(own in ("*", its) for own, its in pairs) and self.hours in ("", other.hours)


class Router:
    """Routes in their order. `hours` are the calendars that they name, `forks` where each leads by itself."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        hours: Mapping[str, Hours] | None = None,
        forks: Mapping[str, Fork] | None = None,
    ) -> None:
        self._routes, self._hours, self._forks = routes, hours or {}, forks or {}
        self.overrides: Mapping[str, Override] = {}  # what was said of calendars by hand

    def route_for(self, called: str, trunk: str = "", attestation: str = "", now: float = 0.0) -> Route:
        """`now` is epoch s. Raises NoRoute, which names every route and why it does not fit."""
        tried = []
        for route in self._routes:
            if not fnmatchcase(trunk.lower(), route.trunk.lower()):
                tried.append(f"{route.called!r} ({route.to}) is for the trunk {route.trunk!r}, not {trunk!r}")
            elif not fnmatchcase(attestation.upper(), route.attestation.upper()):
                tried.append(
                    f"{route.called!r} ({route.to}) wants the attestation {route.attestation!r}, not {attestation!r}"
                )
            elif not fnmatchcase(called.lower(), route.called.lower()):
                tried.append(f"{route.called!r} ({route.to}) does not match")
            elif route.hours and not self._fits(route.hours, now):
                tried.append(f"{route.called!r} ({route.to}) is for other hours: {route.hours}")
            else:
                return route
        raise NoRoute(called, tried)

    def resolve(self, to: Destination, now: float) -> Destination:
        """Where a calendar leads now; any other destination is itself."""
        for _ in range(len(self._forks) + 1):
            if to.kind != "hours":
                return to
            fork = self._forks.get(to.name)
            if fork is None:  # a reload has taken it away
                return HANG_UP
            to = fork.open_to if self._fits(to.name, now) else fork.closed_to
        return HANG_UP  # in a circle, which the file's checks refuse

    def hours_at(self, now: float) -> dict[str, bool]:
        """Whether each calendar is open."""
        return {name: self._fits(name, now) for name in self._hours}

    def _fits(self, hours: str, now: float) -> bool:
        name = hours.removeprefix("!")
        said = self.overrides.get(name)
        is_open = said.open if said and now < said.until else self._hours[name].open_at(now)
        return is_open != hours.startswith("!")
