"""Who answers: the first route whose pattern fits the called number."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.errors import NoRoute


@dataclass(frozen=True, slots=True)
class Route:
    """`called` is a shell pattern (`*`, `?`, `[0-9]`) on the user part of the Request-URI; `agent` answers."""

    called: str
    agent: str


class Router:
    """Routes in their order."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._routes = routes

    def agent_for(self, called: str) -> str:
        """Raises NoRoute, which names every route and why it does not fit."""
        for route in self._routes:
            if fnmatchcase(called.lower(), route.called.lower()):
                return route.agent
        tried = [f"{route.called!r} ({route.agent}) does not match" for route in self._routes]
        raise NoRoute(called, tried)
