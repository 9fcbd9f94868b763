"""Where a stream may come from, and where ours may go: nobody else hears a call, speaks in it, or is flooded by it.

The address that the SDP names always wins. Another one is followed only where signalling showed a NAT, or a trunk says
so. An address that nobody vouches for gets media for one second, until it has sent something itself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

Address = tuple[str, int]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCK_AFTER = 5
"""Packets in a row that another source than the signalled one has to send before it is listened to."""

SILENCE_SECONDS = 1.0
"""For which the present source has to be silent before another one may take its place."""

PROBATION_SECONDS = 1.0
"""Of media for an address that nobody vouches for, until it has sent."""

MAX_PROBATIONS = 3
"""Of one session: a peer cannot go from address to address with re-INVITEs."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What signalling says about a peer's media.

    `networks` are vouched for: where the signalling comes from, and what its trunk names. `follow` says whether media
    may be sent elsewhere than the SDP says, to where the peer's packets come from (symmetric RTP, RFC 4961): never, to
    an address in `networks`, or to any.
    """

    networks: tuple[Network, ...] = ()
    follow: Literal["never", "trusted", "any"] = "never"

    def vouches(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


class Source:
    """Of one stream. `now` in s, monotonic."""

    def __init__(self) -> None:
        self.current: Address | None = None  # who is listened to now
        self._signalled: Address | None = None
        self._trust = Trust()
        self._followed = False  # `current` is also sent to
        self._last = 0.0  # when `current` was heard
        self._candidate: tuple[Address | None, int] = (None, 0)
        self._vouched = False  # media may go to the signalled address for as long as the call lasts
        self._until: float | None = None  # or until then
        self._probations = 0

    def expect(self, remote: Address, trust: Trust) -> None:
        """What offer and answer agreed on, and a re-INVITE may change: from now on this address is the right one."""
        moved = remote != self._signalled
        self._signalled, self._trust = remote, trust
        if moved:
            self.current, self._followed, self._candidate = None, False, (None, 0)
            self._vouched, self._until = False, None
        self._vouched = self._vouched or trust.vouches(remote[0])

    def accepts(self, source: Address, now: float) -> bool:
        """Whether a packet from there is of this stream."""
        if source == self._signalled:
            self.current, self._followed, self._vouched = source, False, True
        elif source != self.current:
            if not self._may_take_over(source, now):
                return False
            self.current = source
            self._followed = self._may_follow(source[0])
            self._vouched = self._vouched or (self._signalled is not None and source[0] == self._signalled[0])
        self._last = now
        return True

    def _may_take_over(self, source: Address, now: float) -> bool:
        if self._signalled is None or (self.current is not None and now - self._last < SILENCE_SECONDS):
            return False
        if source[0] != self._signalled[0] and not self._may_follow(source[0]):
            return False
        known, count = self._candidate
        self._candidate = (source, count + 1 if source == known else 1)
        return self._candidate[1] >= LOCK_AFTER

    def _may_follow(self, host: str) -> bool:
        follow = self._trust.follow
        return follow == "any" or (follow == "trusted" and self._trust.vouches(host))

    def is_host(self, host: str) -> bool:
        """One of the peer's: for RTCP, whose port is another."""
        return any(one is not None and one[0] == host for one in (self.current, self._signalled))

    def spoke(self) -> None:
        """The signalled host has sent something else than RTP: it is there, and knows of us."""
        self._vouched = True

    def target(self, now: float) -> Address | None:
        """Where media goes now; None: nowhere, until the address has shown that it knows of this call."""
        if self._followed:
            return self.current
        if self._vouched:
            return self._signalled
        if self._until is None:
            if self._signalled is None or self._probations >= MAX_PROBATIONS:
                return None
            self._probations += 1
            self._until = now + PROBATION_SECONDS
        return self._signalled if now < self._until else None
