"""Who is not listened to for a while: addresses that nobody knows, and accounts whose password is guessed.

Sans-I/O. A UDP packet can bear anybody's address. So where users log in, an address is shut out for what it has proven
to have sent itself (over TCP, or with a nonce that was sent to it), and else only answered seldom.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

STRIKES = 20
"""Requests of an unknown source within `STRIKE_SECONDS` after which it is not answered any more."""
STRIKE_SECONDS = 60.0

WRONG_PASSWORDS = 10
"""For one account from one address within `PASSWORD_SECONDS`, after which that account is shut there."""
PASSWORD_SECONDS = 600.0

ACCOUNTS = 5
"""Accounts that are shut at one address, after which the address is."""

CHALLENGES = 200
"""Questions for a password that an address may leave without a good answer within `STRIKE_SECONDS`; then one a second
is answered. A whole office that comes back from a power cut asks once for each of its telephones."""

BAN_SECONDS = 600.0
MAX_SOURCES = 10_000
"""Addresses, and accounts at addresses, that are remembered; the oldest are forgotten."""


@dataclass(frozen=True, slots=True)
class Ban:
    """`account` is empty where all of the address is meant. `until` on the clock of `now`, in s."""

    address: str
    account: str
    reason: str
    until: float


@dataclass(slots=True)
class _Count:
    number: int = 0
    since: float = 0.0

    def add(self, now: float, window: float) -> int:
        if now - self.since > window:
            self.number, self.since = 0, now
        self.number += 1
        return self.number


@dataclass(slots=True)
class _Source:
    strikes: _Count = field(default_factory=_Count)
    asked: _Count = field(default_factory=_Count)
    shut: set[str] = field(default_factory=set)  # accounts
    answered: float = float("-inf")


class Bans:
    """`news` are bans that have just begun, to be logged."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._wrong: OrderedDict[tuple[str, str], _Count] = OrderedDict()
        self._bans: OrderedDict[tuple[str, str], Ban] = OrderedDict()
        self.news: list[Ban] = []
        self.refused = 0  # requests of unknown sources that were answered
        self.dropped = 0  # and those that were not

    def banned(self, address: str, now: float, account: str = "") -> bool:
        """Whether what comes from there, or as that account from there, is not to be answered."""
        ban = self._bans.get((address, account))
        return ban is not None and ban.until > now

    def strike(self, address: str, now: float, reason: str) -> None:
        """An unknown source sent something it should not."""
        self.refused += 1
        if self._source(address, now).strikes.add(now, STRIKE_SECONDS) >= STRIKES:
            self._ban(address, "", f"{STRIKES} requests within {STRIKE_SECONDS:g} s: {reason}", now)

    def may_challenge(self, address: str, now: float) -> bool:
        """Whether it is asked for a password once more; a strike only where that is all that it ever wants."""
        source = self._source(address, now)
        if source.asked.add(now, STRIKE_SECONDS) > CHALLENGES and now - source.answered < 1.0:
            self.dropped += 1
            return False
        source.answered = now
        self.refused += 1
        return True

    def logged_in(self, address: str, account: str) -> None:
        """A good password: one question had its answer, and this account's mistakes are forgiven."""
        if source := self._sources.get(address):
            source.asked.number = max(0, source.asked.number - 1)
        self._wrong.pop((address, account), None)

    def wrong_password(self, address: str, account: str, now: float) -> None:
        """For an account that there is; the address has shown that it gets our answers."""
        self.refused += 1
        key = address, account
        count = self._wrong.setdefault(key, _Count(since=now))
        self._wrong.move_to_end(key)
        if len(self._wrong) > MAX_SOURCES:
            self._wrong.popitem(last=False)
        if count.add(now, PASSWORD_SECONDS) < WRONG_PASSWORDS:
            return
        del self._wrong[key]
        self._ban(address, account, f"{WRONG_PASSWORDS} wrong passwords for {account}", now)
        source = self._source(address, now)
        source.shut = {one for one in source.shut if self.banned(address, now, one)} | {account}
        if len(source.shut) >= ACCOUNTS:
            self._ban(address, "", f"wrong passwords for {len(source.shut)} accounts", now)

    def _ban(self, address: str, account: str, reason: str, now: float) -> None:
        if source := self._sources.get(address):
            source.strikes = _Count()
        ban = self._bans[address, account] = Ban(address, account, reason, now + BAN_SECONDS)
        self._bans.move_to_end((address, account))
        if len(self._bans) > MAX_SOURCES:
            self._bans.popitem(last=False)
        self.news.append(ban)

    def _source(self, address: str, now: float) -> _Source:
        source = self._sources.get(address)
        if source is None:
            source = self._sources[address] = _Source(_Count(since=now), _Count(since=now))
        self._sources.move_to_end(address)
        if len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        return source

    def current(self, now: float) -> list[Ban]:
        """In force now, the oldest first."""
        self._bans = OrderedDict((key, one) for key, one in self._bans.items() if one.until > now)
        return list(self._bans.values())

    def lift(self, address: str, account: str = "") -> int:
        """Forget what an address has done, or one account at it; how many bans that ended."""
        keys = [key for key in self._bans if key[0] == address and account in ("", key[1])]
        for key in keys:
            del self._bans[key]
        for known in [key for key in self._wrong if key[0] == address and account in ("", key[1])]:
            del self._wrong[known]
        if not account:
            self._sources.pop(address, None)
        return len(keys)
