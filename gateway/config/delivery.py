"""The sections webhooks and records of the gateway's file: who is told of calls, and where their records go."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.delivery.webhooks import KINDS, WebhookSettings
from gateway.document import Section, fill, says
from gateway.errors import ConfigError


class WebhookRow(Section):
    """`secret_env` names the variable that holds what signs: base64, as `openssl rand -base64 32` prints it."""

    name: Annotated[str, says("of this receiver; several need one each", "crm", pattern=r"^[A-Za-z0-9._-]{1,64}$")] = (
        "default"
    )
    url: Annotated[
        str,
        says("who is told of calls; see [the API](api.md)", "https://crm.example/hooks", pattern=r"^https?://[^\s]+$"),
    ]
    secret_env: Annotated[
        str, says("the variable that holds what signs: base64, as `openssl rand -base64 32` prints it", "CRM_SECRET")
    ] = ""
    events: Annotated[
        tuple[Literal[KINDS], ...],  # type: ignore[valid-type]
        says("which of them; unless said otherwise, all"),
    ] = KINDS
    timeout_seconds: Annotated[float, says("after which the receiver is asked again", gt=0, le=60)] = 10.0


class Records(Section):
    """`file` is for the calls of this node, a line of JSON each; `postgres_env` names the variable that holds a URL.

    `keep_days` is for how long both keep a record; 0: for ever. `otlp` is where an OpenTelemetry collector takes traces
    by HTTP, such as http://collector:4318/v1/traces.
    """

    file: Annotated[Path | None, says("for the calls of this node, a line of JSON each", "calls.jsonl")] = None
    postgres_env: Annotated[str, says("the variable that holds the URL of a PostgreSQL", "CALLS_DATABASE")] = ""
    keep_days: Annotated[float, says("days for which both keep a record; 0: for ever", ge=0)] = 0.0
    otlp: Annotated[
        str,
        says(
            "where an OpenTelemetry collector takes traces by HTTP",
            "http://collector:4318/v1/traces",
            pattern=r"^(https?://[^\s]+)?$",
        ),
    ] = ""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """What has to reach others, and after how long it is given up."""

    webhooks: tuple[WebhookSettings, ...] = ()
    file: Path | None = None
    postgres: str = field(default="", repr=False)
    expire_seconds: float = 86400.0
    otlp: str = ""
    record_days: float = 0.0


Hours = Annotated[float, Field(gt=0, le=168)]


def delivery_of(
    rows: tuple[WebhookRow, ...], records: Records, hours: float, folder: Path, secret: Callable[[str, str, str], str]
) -> DeliverySettings:
    """`secret` looks up what a variable holds: the row, its name, the key that names it. Raises ConfigError."""
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise ConfigError("webhooks", "two have the same name: give each its own", key="name")
    hooks = []
    for number, row in enumerate(rows):
        key = secret(f"webhooks.{number}", row.secret_env, "secret_env") if row.secret_env else ""
        try:
            b64decode(key.removeprefix("whsec_"), validate=True)
        except Base64Error as error:
            problem = f"{row.secret_env} does not hold base64, as openssl rand -base64 32 prints it"
            raise ConfigError("webhooks", problem, key=f"{number}.secret_env") from error
        hooks.append(fill(WebhookSettings, row, secret=key))
    postgres = secret("records", records.postgres_env, "postgres_env") if records.postgres_env else ""
    return DeliverySettings(
        tuple(hooks), records.file and folder / records.file, postgres, hours * 3600, records.otlp, records.keep_days
    )
