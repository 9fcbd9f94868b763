"""Who answers: the first route whose patterns fit the trunk and the called number."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.errors import NoRoute


@dataclass(frozen=True, slots=True)
class Route:
    """Shell patterns (`*`, `?`, `[0-9]`): `called` on the called number, where and as its trunk reads it; `trunk` on
    the trunk's name; `attestation` on what the caller's carrier attests: A, B, C, or nothing."""

    called: str
    agent: str
    trunk: str = "*"
    attestation: str = "*"


class Router:
    """Routes in their order."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = routes

    def agent_for(self, called: str, trunk: str = "", attestation: str = "") -> str:
        """Raises NoRoute, which names every route and why it does not fit."""
        tried = []
        for route in self._routes:
            if not fnmatchcase(trunk.lower(), route.trunk.lower()):
                tried.append(f"{route.called!r} ({route.agent}) is for the trunk {route.trunk!r}, not {trunk!r}")
            elif not fnmatchcase(attestation.upper(), route.attestation.upper()):
                tried.append(
                    f"{route.called!r} ({route.agent}) wants the attestation {route.attestation!r}, not {attestation!r}"
                )
            elif not fnmatchcase(called.lower(), route.called.lower()):
                tried.append(f"{route.called!r} ({route.agent}) does not match")
            else:
                return route.agent
        raise NoRoute(called, tried)
