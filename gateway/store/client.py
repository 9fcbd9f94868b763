"""A client of Redis by its URL: a server, one behind Sentinel, or a Cluster.

redis://user:password@host:6379/0    rediss:// with TLS    unix:///path
redis+sentinel://host:26379,host2:26379/NAME/0    rediss+sentinel://
redis+cluster://host:7000,host2:7001    rediss+cluster://
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError

from gateway.errors import ConfigError, StoreUnavailable

CONNECT_SECONDS = 2.0
SCHEMES = frozenset(
    {"redis", "rediss", "unix", *(f"{one}+{kind}" for one in ("redis", "rediss") for kind in ("sentinel", "cluster"))}
)

AWAY = (RedisError, RedisClusterException, OSError)
"""What a client raises when Redis does not do what it is asked."""


def client_of(url: str, seconds: float) -> Any:
    """That gives up on an answer after `seconds`; it connects when it is first used. Raises ConfigError."""
    common: dict[str, Any] = {"socket_timeout": seconds, "socket_connect_timeout": CONNECT_SECONDS}
    parts = urlsplit(url)
    try:
        match parts.scheme.partition("+"):
            case ("redis" | "rediss" as scheme, _, "sentinel"):
                return _behind_sentinel(url, common | {"ssl": True} if scheme == "rediss" else common)
            case ("redis" | "rediss" as scheme, _, "cluster"):
                nodes = [ClusterNode(host, port) for host, port in _hosts(parts.netloc, 6379)]
                tls: dict[str, Any] = {"ssl": True} if scheme == "rediss" else {}
                return RedisCluster(startup_nodes=nodes, retry=Retry(NoBackoff(), 1), **_login(url), **common, **tls)
            case _:
                return Redis.from_url(url, retry=Retry(NoBackoff(), 0), **common)
    except ValueError as error:
        raise ConfigError("redis.url", str(error)) from error


def check_url(url: str) -> None:
    """Raises ValueError, where no client can be made of it."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        near = f", not {url.partition('://')[0]}://" if "://" in url else ""
        raise ValueError(f"has to begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://{near}")
    if parts.scheme == "unix":
        if not parts.path:
            raise ValueError("names no socket: unix:///path/to/redis.sock")
        return
    if not parts.netloc.rpartition("@")[2]:
        raise ValueError(f"names no host: {parts.scheme}://host:6379")
    kind = parts.scheme.partition("+")[2]
    try:
        _ = _hosts(parts.netloc, 0) if kind else parts.port
    except ValueError as error:
        raise ValueError(str(error) if kind and "HOST" in str(error) else "its port is not a number") from None
    name, _, database = parts.path.strip("/").rpartition("/")
    if kind == "sentinel" and not (name or database):
        raise ValueError("the name of the master is missing: redis+sentinel://HOST:PORT,HOST:PORT/NAME")
    if database and not database.isdecimal() and (name or not kind):
        raise ValueError(f"the database is a number, not {database!r}")


async def ask(redis: Any, url: str, *command: Any) -> Any:
    """Carry out one command. Raises StoreUnavailable."""
    try:
        return await redis.execute_command(*command)
    except AWAY as error:
        raise StoreUnavailable(url, str(error)) from error


async def close(client: Any) -> None:
    """With the connections to the sentinels, which it leaves open."""
    await client.aclose()
    pool = getattr(client, "connection_pool", None)
    if manager := getattr(pool, "sentinel_manager", None):
        await pool.disconnect()  # type: ignore[union-attr]
        for one in manager.sentinels:
            await one.aclose()


def _behind_sentinel(url: str, options: dict[str, Any]) -> Redis:
    parts = urlsplit(url)
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("redis+sentinel://HOST:PORT,HOST:PORT/NAME: the name of the master is missing")
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        _hosts(parts.netloc, 26379), sentinel_kwargs={"socket_timeout": 2.0, "socket_connect_timeout": CONNECT_SECONDS}
    )
    master: Redis = sentinel.master_for(
        name, db=int(database or 0), retry=Retry(NoBackoff(), 0), **_login(url), **options
    )
    return master


def _hosts(netloc: str, port: int) -> list[tuple[str, int]]:
    found = []
    for one in netloc.rpartition("@")[2].split(","):
        host, colon, given = one.rpartition(":")
        found.append((host, int(given)) if colon else (given, port))
    if not all(host for host, _ in found):
        raise ValueError("no host in it: redis+sentinel://HOST:PORT,HOST:PORT/NAME, redis+cluster://HOST:PORT")
    return found


def _login(url: str) -> dict[str, Any]:
    user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    return {key: unquote(value) for key, value in (("username", user), ("password", password)) if value}


def without_password(url: str) -> str:
    """As it may be logged."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}:***@{hosts}")) if at and colon else url


def entries_of(found: Any) -> list[tuple[str, bytes, dict[bytes, bytes]]]:
    """What XREAD found, as either version of the protocol gives it: stream, id and fields of each."""
    if isinstance(found, dict):
        return [(name.decode(), *one) for name, batches in found.items() for batch in batches for one in batch]
    return [(name.decode(), *one) for name, batch in found or () for one in batch]


def pairs_of(fields: Any) -> Any:
    """What HGETALL found, likewise."""
    return fields.items() if isinstance(fields, dict) else zip(fields[::2], fields[1::2], strict=True)
