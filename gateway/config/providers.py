"""The `providers` of the gateway's file, and what agents want of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, field_validator

from gateway.agents import AgentDefinition
from gateway.document import Section, fill, says, section_of
from gateway.realtime import DIALECTS, SETTINGS, Dialect, Provider

Price = Literal["text_input", "audio_input", "cached_input", "text_output", "audio_output"]


class DialectRow(Section):
    """A compatible server that is `like` a known one, but for what is said here."""

    like: Literal[tuple(DIALECTS)] = "openai"  # type: ignore[valid-type]
    auth: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+: .*\{key\}|^$")
    query: dict[str, str] | None = None
    takes: frozenset[str] | None = None
    changes: frozenset[str] | None = None
    places: dict[str, str] | None = None
    cancels: bool | None = None
    clears: bool | None = None
    truncates: bool | None = None
    max_age_seconds: float | None = Field(default=None, ge=0)
    extra: dict[str, Any] | None = None

    @field_validator("takes", "changes", "places")
    @classmethod
    def _are_settings(cls, names: Any) -> Any:
        if unknown := sorted(set(names or ()) - SETTINGS):
            raise ValueError(f"there is no setting {', '.join(unknown)}; these are: {', '.join(sorted(SETTINGS))}")
        return names


if TYPE_CHECKING:
    RealtimeProvider = Any
else:
    RealtimeProvider = section_of(
        Provider,
        Section,
        {
            "name": None,  # the key of the mapping
            "spare_seconds": None,
            "url": (
                Annotated[str, says("ws: or wss:", "wss://api.openai.com/v1/realtime", pattern=r"^wss?://[^\s]+$")],
                ...,
            ),
            "key": None,
            "key_env": (
                Annotated[str, says("the variable of the environment that holds the key", "OPENAI_API_KEY")],
                "",
            ),
            "dialect": (
                Annotated[
                    Literal[tuple(DIALECTS)] | DialectRow,
                    says(
                        f"{', '.join(DIALECTS)}, or one of your own: see [providers](providers.md#a-server-of-ones-own)"
                    ),
                ],
                "openai",
            ),
            "prices": (
                Annotated[
                    dict[Price, Annotated[float, Field(ge=0)]],
                    says(
                        f"for a million tokens: {', '.join(get_args(Price))}; each record then has a `cost`",
                        {"audio_input": 32, "audio_output": 64},
                    ),
                ],
                {},
            ),
        },
    )
"""`key_env` names the variable of the environment that holds the key; `gateway.realtime.Provider` says the rest."""


def provider_of(name: str, row: Any, secret: Callable[[str, str], str]) -> Provider:
    """`secret` finds what a variable of the environment holds, for a key of the row. Raises ConfigError."""
    key = secret(row.key_env, "key_env") if row.key_env else ""
    return fill(Provider, row, name=name, key=key, dialect=_dialect(name, row.dialect))


def _dialect(provider: str, row: str | DialectRow) -> Dialect:
    if isinstance(row, str):
        return DIALECTS[row]
    own = {key: value for key, value in row.model_dump(exclude={"like"}).items() if value is not None}
    known: Dialect = DIALECTS[row.like]
    return replace(known, name=provider, **own)


def wanted(agent: AgentDefinition) -> dict[str, str]:
    """The providers that an agent names, by the keys of its file that do."""
    rest = {f"failover.{number}": row.provider for number, row in enumerate(agent.failover)}
    return {"provider": agent.provider, **rest}
