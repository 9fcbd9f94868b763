"""Peers of a trunk that are named: looked up again and again, for addresses move.

A name that is not found any more keeps the addresses that it had, and that is told once.
"""

from __future__ import annotations

from functools import partial

from gateway.sip.port import CorePort
from gateway.sip.trunk.settings import Trunk

REFRESH_SECONDS = 60.0
"""Between two looks; a name that was not found is looked up after a sixth of that."""


class PeerNames:
    """All names among one trunk's peers."""

    def __init__(self, core: CorePort, trunk: Trunk) -> None:
        self._core, self.trunk = core, trunk
        self.addresses: dict[str, set[str]] = {}  # by name
        self._stopped = False

    def start(self, now: float) -> None:
        self._core.timers.set((self, "LOOK"), now + REFRESH_SECONDS)
        for name in self.trunk.peer_names:
            self._core.look_up(name, partial(self._found, name))

    def stop(self, now: float) -> None:
        self._stopped = True
        self._core.timers.cancel((self, "LOOK"))

    def _found(self, name: str, hosts: set[str], now: float) -> None:
        if self._stopped:
            return
        known = self.addresses.get(name, set())
        if hosts:
            self.addresses[name] = hosts
            self._core.trunks.learn(self.trunk, f"the name {name}", hosts)
            self._core.notice(self.trunk, name, "")
            return
        self._core.timers.set((self, "LOOK"), now + REFRESH_SECONDS / 6)
        last = (
            f"calls from its last addresses are taken: {', '.join(sorted(known))}" if known else "nobody may call by it"
        )
        self._core.notice(self.trunk, name, f"its peer {name} is not found in DNS; {last}")

    def expire(self, timer: str, now: float) -> None:
        self.start(now)
