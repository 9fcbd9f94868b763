"""The section http of the gateway's file: where the API listens, and whom it lets in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.document import Section, fill
from gateway.errors import ConfigError

Port = Annotated[int, Field(ge=0, le=65535)]


class HttpTls(Section):
    """PEM files, named as seen from the gateway's file."""

    certificate: Path
    key: Path


class Http(Section):
    """`auth: auto` asks programs of this machine for no key, `always` everybody. `url` is where other nodes reach it.

    `trusted_proxies` are addresses whose X-Forwarded headers are believed. `rate_limit`: requests a second for a key.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    auth: Literal["auto", "always"] = "auto"
    admin_key_env: str = ""
    tls: HttpTls | None = None
    url: str = Field(default="", pattern=r"^(https?://[^\s/]+)?$")
    trusted_proxies: tuple[str, ...] = ()
    rate_limit: float = Field(default=100.0, ge=0)
    cors_origins: tuple[str, ...] = ()


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
