"""Who may call, and how often: peers known by their address, limits for each; `bans` has those who are shut out.

Sans-I/O; every decision costs no more than a look-up, for it is made before anything else is spent on a call.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from gateway.outcomes import Refusal
from gateway.pacing import TokenBucket
from gateway.sip.bans import Bans
from gateway.sip.dialog.session_timer import PREFERRED
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import Credentials, DigestAuthenticator

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Trunk:
    """A way in, a way out, or both. `peers` are networks that it may call from, `users` who may log in from anywhere.

    Calls go out to `server`, by way of `proxy` where that is set; `domain` is the host part of what they are from and
    to (empty: the server's). With `register_seconds` the gateway registers there as `credentials`. `caller_id` is the
    user part of From where a call names none; with `p_asserted_identity` it also goes into that header. Empty `codecs`,
    `srtp` and `ptime_ms` (what it is asked to send) are the gateway's own; `session_seconds` of 0 asks for no session
    timer; limits of 0 are none. `transfer` is refer, bridge (the gateway calls the target itself) or auto (bridge where
    REFER is refused); with `follow_refer` the agent goes where a REFER of the trunk's sends it, within the trunk.
    `dtmf` is rtp, info or inband. `media_peers` are networks that its media comes from besides `peers`.

    `nat` is auto (where a peer is seen to be behind one, requests and media go back to where its own came from), off
    (always where it says), or on (media from anywhere is followed).
    """

    name: str
    peers: tuple[Network, ...] = ()
    max_calls: Annotated[int, Field(ge=0)] = 0
    calls_per_second: Annotated[float, Field(ge=0)] = 0.0
    users: tuple[Credentials, ...] = ()
    server: Uri | None = None
    proxy: Uri | None = None
    domain: str = ""
    credentials: Credentials | None = None
    register_seconds: Annotated[int, Field(ge=0, le=86400)] = 0
    caller_id: str = ""
    p_asserted_identity: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    codecs: tuple[str, ...] = ()
    srtp: Literal["", "off", "optional", "required"] = ""
    transfer: Literal["refer", "bridge", "auto"] = "auto"
    dtmf: Literal["rtp", "info", "inband"] = "rtp"
    ring_seconds: Annotated[float, Field(gt=0, le=600)] = 60.0
    session_seconds: Annotated[int, Field(ge=0)] = PREFERRED
    redirects: Annotated[int, Field(ge=0, le=10)] = 0
    follow_refer: bool = False
    ptime_ms: Literal[0, 10, 20, 30, 40, 60] = 0
    nat: Literal["auto", "on", "off"] = "auto"
    media_peers: tuple[Network, ...] = ()

    def refers_to(self, target: Uri, peer: str) -> bool:
        """Whether a REFER of this trunk's, which came from the host `peer`, may make us call `target`."""
        if not self.follow_refer or target.scheme not in ("sip", "sips", "tel"):
            return False
        own = {peer, self.domain, self.server.host if self.server else peer}
        return target.scheme == "tel" or target.host in own or self.includes(_address(target.host))

    def includes(self, address: Address | None) -> bool:
        """Whether it is one of its peers'."""
        return address is not None and any(address in network for network in self.peers)


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
    _learned: dict[str, str] = field(default_factory=dict)
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
        self._learned = {host: name for host, name in self._learned.items() if name in names}

    def learn(self, trunk: Trunk, hosts: set[str]) -> None:
        """Addresses of the server that we register with: it may call from them."""
        self._learned = {host: name for host, name in self._learned.items() if name != trunk.name}
        self._learned |= dict.fromkeys(hosts, trunk.name)

    def named(self, name: str) -> Trunk | None:
        return next((trunk for trunk in self.trunks if trunk.name == name), None)

    def trunk_of(self, user: str) -> Trunk | None:
        """The trunk that `user` logs in to."""
        return next((trunk for trunk in self.trunks if any(one.username == user for one in trunk.users)), None)

    def find(self, host: str) -> Trunk | None:
        """The first trunk that `host` belongs to."""
        address = _address(host)
        found = next((trunk for trunk in self.trunks if trunk.includes(address)), None)
        return found or self.named(self._learned.get(host, ""))

    def networks(self, trunk: Trunk) -> tuple[Network, ...]:
        """All that are a trunk's: of its peers, its media, and the servers that we are registered with."""
        learned = [host for host, name in self._learned.items() if name == trunk.name and _address(host)]
        return (*trunk.peers, *trunk.media_peers, *(ipaddress.ip_network(host) for host in learned))

    def trusts(self, host: str) -> bool:
        """It is a trunk's; or, where there are no trunks, of this machine or a private network."""
        if self.trunks:
            return self.find(host) is not None
        address = _address(host)
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


def _address(host: str) -> Address | None:
    """None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
