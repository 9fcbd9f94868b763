"""Who asks, and what they may: API keys with roles, and how often they may ask."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from gateway.errors import StoreUnavailable
from gateway.pacing import TokenBucket
from gateway.store import Store
from gateway.store.access import ROLES, hash_of

FRESH_SECONDS = 5.0
"""For which a key is believed without a look at Redis; while Redis is away all known ones stay good."""

STRANGE_SECONDS = 1.0
"""After which a key that nobody knew is looked for again: guessing costs Redis no more than that."""

OPEN = ("/health", "/ready", "/", "/favicon.ico", "/docs", "/openapi.json")
"""What needs no key: whether the process lives, and the files of the dashboard and of the API's description, which hold
no data."""

ADMIN = ("/v1/reload", "/v1/keys", "/v1/audit", "/v1/outbox", "/v1/records", "/v1/webhooks")
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the id and name of a key, and its role."""

    key_id: str
    name: str
    role: str

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


OURS = "gw_"
"""What our keys begin with."""

LOCAL = Principal("", "this machine", "admin")
PEER = Principal("peer", "another node", "operate")


def role_for(method: str, path: str) -> str:
    """What is needed; empty where nothing is."""
    if path in OPEN or path.startswith(("/dashboard/", "/docs/")):
        return ""
    if path.startswith(ADMIN) or (path.startswith("/v1/nodes/") and method == "POST"):
        return "admin"
    return "read" if method in ("GET", "HEAD", "OPTIONS") else "operate"


class Keys:
    """Those in the store, as they were a moment ago, and one that the configuration may name."""

    def __init__(self, store: Store, configured: str) -> None:
        self._store, self._configured = store, configured
        self._known: dict[str, dict[str, Any]] = {}
        self._at = float("-inf")

    async def find(self, key: str) -> Principal | None:
        if self._configured and hmac.compare_digest(key.encode(), self._configured.encode()):
            return Principal("configured", "configured", "admin")
        if key.startswith("peer_"):  # another node, which has asked its own client for a key
            return PEER if await self._is_peer(key) else None
        parts = key.split("_", 2)
        if len(parts) != 3 or parts[0] != "gw":
            return None
        if time.monotonic() - self._at > (FRESH_SECONDS if parts[1] in self._known else STRANGE_SECONDS):
            await self._look()
        row = self._known.get(parts[1])
        if row is None or not hmac.compare_digest(row["hash"], hash_of(key)):
            return None
        return Principal(parts[1], row["name"], row["role"])

    async def _is_peer(self, key: str) -> bool:
        with suppress(StoreUnavailable):
            return hmac.compare_digest(key.encode(), (await self._store.access.peer_key()).encode())
        return False

    async def _look(self) -> None:
        with suppress(StoreUnavailable):
            self._known, self._at = await self._store.access.keys(), time.monotonic()

    def forget(self) -> None:
        """They have changed."""
        self._at = float("-inf")


class Allowance:
    """So many requests a second for each who asks, twice as many at once."""

    def __init__(self, a_second: float) -> None:
        self._rate, self._buckets = a_second, dict[str, TokenBucket]()

    def take(self, who: str, now: float) -> float:
        """0 where it is granted, else s after which it will be."""
        if self._rate <= 0:
            return 0.0
        bucket = self._buckets.get(who)
        if bucket is None:
            if len(self._buckets) > 10_000:  # strangers by the thousand: all begin anew
                self._buckets.clear()
            bucket = self._buckets[who] = TokenBucket(self._rate, 2 * self._rate, now)
        return bucket.take(now)


def is_local(client: str, headers: Mapping[str, str]) -> bool:
    """A program on this machine asks for itself: no proxy, and no web page of somebody else's."""
    try:
        if not ip_address(client).is_loopback:
            return False
    except ValueError:
        return False
    if any(name in headers for name in ("forwarded", "x-forwarded-for", "x-real-ip")):
        return False
    host = _host(headers.get("host", ""))
    origin = headers.get("origin", "")
    return host in LOCAL_HOSTS and (not origin or origin.partition("://")[2] == headers.get("host"))


def _host(value: str) -> str:
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def bearer(headers: Mapping[str, str]) -> str:
    """The key that a request shows: Authorization: Bearer, as OpenAI's clients send theirs, or X-API-Key."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
