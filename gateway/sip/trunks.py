"""Who may call, and how often: peers known by their address, limits for each, and scanners that are shut out.

Sans-I/O; every decision costs no more than a look-up, for it is made before anything else is spent on a call.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

STRIKES = 20
"""Requests of an unknown source within `STRIKE_SECONDS` after which it is not even answered."""
STRIKE_SECONDS = 60.0
BAN_SECONDS = 600.0
MAX_SOURCES = 10_000
"""Unknown sources that are remembered; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Trunk:
    """`peers` are networks that it may call from; limits of 0 are none."""

    name: str
    peers: tuple[Network, ...]
    max_calls: int = 0
    calls_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """`retry_after` in seconds, 0 where coming back makes no sense."""

    status: int
    retry_after: int = 0


@dataclass(slots=True)
class _Use:
    calls: int = 0
    tokens: float = 1.0
    since: float = 0.0


@dataclass(slots=True)
class _Source:
    strikes: int = 0
    since: float = 0.0
    banned_until: float = 0.0


@dataclass(slots=True)
class Trunks:
    """All trunks. Without any, everybody may call and nothing is counted."""

    trunks: tuple[Trunk, ...] = ()
    refused: int = 0  # requests of unknown sources that were answered
    dropped: int = 0  # and those that were not
    _use: dict[str, _Use] = field(default_factory=dict)
    _sources: OrderedDict[str, _Source] = field(default_factory=OrderedDict)

    def find(self, host: str) -> Trunk | None:
        """The first trunk that `host` belongs to."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        return next((trunk for trunk in self.trunks if any(address in network for network in trunk.peers)), None)

    def knows(self, host: str) -> bool:
        return not self.trunks or self.find(host) is not None

    def banned(self, host: str, now: float) -> bool:
        """Whether what comes from `host` is to be dropped unread."""
        source = self._sources.get(host)
        if source is None or source.banned_until <= now:
            return False
        self.dropped += 1
        return True

    def strike(self, host: str, now: float) -> None:
        """An unknown source asked for something."""
        self.refused += 1
        source = self._sources.setdefault(host, _Source(since=now))
        self._sources.move_to_end(host)
        if now - source.since > STRIKE_SECONDS:
            source.strikes, source.since = 0, now
        source.strikes += 1
        if source.strikes >= STRIKES:
            source.banned_until, source.strikes = now + BAN_SECONDS, 0
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)

    def admit(self, trunk: Trunk, now: float) -> Refusal | None:
        """Take one more call, which `release` gives back; or say why not."""
        use = self._use.setdefault(trunk.name, _Use(since=now))
        if trunk.max_calls and use.calls >= trunk.max_calls:
            return Refusal(503, retry_after=5)
        if trunk.calls_per_second:
            bucket = max(1.0, trunk.calls_per_second)  # a second's worth may come at once
            use.tokens = min(bucket, use.tokens + (now - use.since) * trunk.calls_per_second)
            use.since = now
            if use.tokens < 1:
                return Refusal(503, retry_after=1)
            use.tokens -= 1
        use.calls += 1
        return None

    def release(self, trunk: Trunk) -> None:
        self._use[trunk.name].calls -= 1

    def calls(self, trunk: Trunk) -> int:
        """Calls in progress."""
        use = self._use.get(trunk.name)
        return use.calls if use else 0
