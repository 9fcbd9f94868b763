"""Who may call, and how often: peers known by their address, limits for each; `bans` has those who are shut out.

Sans-I/O; every decision costs no more than a look-up, for it is made before anything else is spent on a call.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.outcomes import Refusal
from gateway.pacing import TokenBucket
from gateway.sip.bans import Bans
from gateway.sip.flow import Flow
from gateway.sip.message.message import Request
from gateway.sip.register.digest import DigestAuthenticator
from gateway.sip.trunk.settings import Network, Trunk, address_of


@dataclass(slots=True)
class _Use:
    calls: int = 0
    bucket: TokenBucket | None = None


@dataclass(slots=True)
class Trunks:
    """All trunks. Without any, this machine and private networks may call; with `open`, everybody."""

    trunks: tuple[Trunk, ...] = ()
    realm: str = "gateway"
    open: bool = False
    calls_per_second: float = 0.0  # of all callers together that belong to no trunk; 0: no limit
    guard: DigestAuthenticator | None = None
    bans: Bans = field(default_factory=Bans)
    elsewhere: Mapping[str, int] = field(default_factory=dict)  # calls of each on other nodes, as they said last
    silent: dict[tuple[str, str], str] = field(default_factory=dict)  # servers to skip, by trunk and flow: why
    problems: dict[tuple[str, str], str] = field(default_factory=dict)  # else, by trunk and what it is about
    _learned: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)  # by trunk, and how it was learnt
    _use: dict[str, _Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.use(self.trunks)

    def use(self, trunks: tuple[Trunk, ...]) -> None:
        """Take these from now on; calls in progress stay counted under their trunk's name."""
        self.trunks = trunks
        users = {user.username: user for trunk in trunks for user in trunk.users}
        if users and self.guard:
            self.guard.users = users
        else:
            self.guard = DigestAuthenticator(self.realm, users) if users else None
        names = {trunk.name for trunk in trunks}
        self._learned = {key: hosts for key, hosts in self._learned.items() if key[0] in names}
        self.problems = {key: problem for key, problem in self.problems.items() if key[0] in names}

    def learn(self, trunk: Trunk, how: str, hosts: set[str]) -> None:
        """Addresses that it may call from: of the server that we register with, of a name among its peers. They are
        `how`'s until it learns others."""
        self._learned[trunk.name, how] = frozenset(hosts)

    def named(self, name: str) -> Trunk | None:
        return next((trunk for trunk in self.trunks if trunk.name == name), None)

    def trunk_of(self, user: str) -> Trunk | None:
        """The trunk that `user` logs in to."""
        return next((trunk for trunk in self.trunks if any(one.username == user for one in trunk.users)), None)

    def find(self, host: str) -> Trunk | None:
        """The first trunk that `host` belongs to."""
        return next(iter(self.at(host)), None)

    def at(self, host: str) -> list[Trunk]:
        """All trunks that `host` belongs to: those whose `peers` it is in come first."""
        address = address_of(host)
        own = [trunk for trunk in self.trunks if trunk.includes(address)]
        learned = {name for (name, _), hosts in self._learned.items() if host in hosts}
        return own + [trunk for trunk in self.trunks if trunk.name in learned and trunk not in own]

    def claimed_by(self, host: str, request: Request) -> list[Trunk]:
        """The trunks at `host` whose INVITE this is, the likeliest first: those that say so by `match`, then accounts
        that registered the user that is called, then those that take whatever comes. Raises SipParseError."""
        there = self.at(host)
        matching = [trunk for trunk in there if trunk.match and trunk.match.fits(request)]
        if matching:
            return matching
        others = [trunk for trunk in there if not trunk.match]
        called = request.uri.number
        accounts = [one for one in others if one.register_seconds and called in (one.contact_user, one.user)]
        return accounts or others

    def networks(self, trunk: Trunk) -> tuple[Network, ...]:
        """All that are a trunk's: of its peers, its media, and the servers that we are registered with."""
        learned = {host for (name, _), hosts in self._learned.items() if name == trunk.name for host in hosts}
        return (*trunk.peers, *trunk.media_peers, *(ipaddress.ip_network(host) for host in learned if address_of(host)))

    def usable(self, trunk: Trunk | None, flows: Sequence[Flow]) -> list[Flow]:
        """Without those whose server does not answer OPTIONS; all of them where none does, for one may yet."""
        if trunk is None or not self.silent:
            return list(flows)
        return [flow for flow in flows if (trunk.name, str(flow)) not in self.silent] or list(flows)

    def trusts(self, host: str) -> bool:
        """It is a trunk's; or, where there are no trunks, of this machine or a private network."""
        if self.trunks:
            return bool(self.at(host))
        address = address_of(host)
        return address is not None and address.is_private

    def knows(self, host: str) -> bool:
        """What comes from there is served without a password."""
        return self.trusts(host) or (self.open and not self.trunks)

    def admit_unknown(self, now: float) -> Refusal | None:
        """One more call of a peer that belongs to no trunk: None, or UNKNOWN_RATE."""
        return Refusal.UNKNOWN_RATE if self._rate("", self.calls_per_second, now) else None

    def _rate(self, name: str, per_second: float, now: float) -> bool:
        """Whether that is one too many."""
        if not per_second:
            return False
        burst = max(1.0, per_second)  # a second's worth may come at once
        use = self._use.setdefault(name, _Use())
        if use.bucket is None:
            use.bucket = TokenBucket(per_second, burst, now, left=1.0 if name else burst)
        use.bucket.use(per_second, burst)  # they may have been read anew
        return bool(use.bucket.take(now))

    def admit(self, trunk: Trunk, now: float) -> Refusal | None:
        """Take one more call, which `release` gives back, and return None; or TRUNK_BUSY, TRUNK_RATE."""
        use = self._use.setdefault(trunk.name, _Use())
        if trunk.max_calls and use.calls + self.elsewhere.get(trunk.name, 0) >= trunk.max_calls:
            return Refusal.TRUNK_BUSY
        if self._rate(trunk.name, trunk.calls_per_second, now):
            return Refusal.TRUNK_RATE
        use.calls += 1
        return None

    def release(self, trunk: Trunk) -> None:
        self._use[trunk.name].calls -= 1

    def calls(self, trunk: Trunk) -> int:
        """Calls in progress."""
        use = self._use.get(trunk.name)
        return use.calls if use else 0
