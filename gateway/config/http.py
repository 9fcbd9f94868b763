"""The section http of the gateway's file: where the API listens, and whom it lets in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.document import Section, fill, says
from gateway.errors import ConfigError

Port = Annotated[int, Field(ge=0, le=65535)]


class HttpTls(Section):
    """PEM files, named as seen from the gateway's file."""

    certificate: Annotated[Path, says("a PEM file: HTTPS then")]
    key: Annotated[Path, says("its key, a PEM file")]


class Http(Section):
    """`auth: auto` asks programs of this machine for no key, `always` everybody. `url` is where other nodes reach it.

    `trusted_proxies` are addresses whose X-Forwarded headers are believed. `rate_limit`: requests a second for a key.
    """

    host: Annotated[
        str, says("where HTTP is listened to; on another address than 127.0.0.1 everybody from elsewhere needs a key")
    ] = "127.0.0.1"
    port: Annotated[Port, says("for the API, the dashboard and the metrics")] = 8080
    auth: Annotated[
        Literal["auto", "always"],
        says("auto: programs of this machine need no key; always: everybody does. See [the API](api.md)"),
    ] = "auto"
    admin_key_env: Annotated[
        str, says("the variable of the environment that holds a key for everything", "ADMIN_KEY")
    ] = ""
    tls: HttpTls | None = None
    url: Annotated[
        str,
        says(
            "where other nodes reach this one's API, for recordings and sessions; empty: `http.host` and `http.port`",
            "http://10.0.0.11:8080",
            pattern=r"^(https?://[^\s/]+)?$",
        ),
    ] = ""
    trusted_proxies: Annotated[tuple[str, ...], says("whose X-Forwarded-For is believed", ["10.0.0.2"])] = ()
    rate_limit: Annotated[float, says("requests a second of one key, twice as many at once; 0: no limit", ge=0)] = 100.0
    cors_origins: Annotated[
        tuple[str, ...], says("whose pages may ask the API from a browser", ["https://desk.example"])
    ] = ()


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the API is built with; see `Http`."""

    host: str
    port: int
    auth: str
    admin_key: str = field(repr=False)
    tls: HttpTls | None
    url: str
    trusted_proxies: tuple[str, ...]
    rate_limit: float
    cors_origins: tuple[str, ...]


def http_of(row: Http, source: str, folder: Path, secret: Callable[[str, str], str]) -> HttpSettings:
    """`secret` looks up what a variable of the environment holds. Raises ConfigError."""
    tls = row.tls and HttpTls(certificate=folder / row.tls.certificate, key=folder / row.tls.key)
    for path in (tls.certificate, tls.key) if tls else ():
        if not path.is_file():
            raise ConfigError(source, f"there is no file {path}", key="http.tls")
    key = secret(row.admin_key_env, "admin_key_env") if row.admin_key_env else ""
    return fill(HttpSettings, row, admin_key=key, tls=tls)
