"""Known carriers, PBXs and platforms: what a trunk to each wants unless its row says otherwise.

`profiles/NAME.yaml` has for each: `title`, `proven`, `settings` (defaults of a row), `example` (a row to begin with, as
text), and `hints` (what an answer of its servers means). docs/trunks/NAME.md is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from gateway.document import Section

FOLDER = Path(__file__).parent / "profiles"


class Hint(Section):
    """What it means that a request is answered so; `status` of 0: nobody answers, None: whatever it is but 2xx."""

    method: Literal["INVITE", "REGISTER", "OPTIONS", "REFER"]
    status: int | None = None
    says: str


class Profile(Section):
    """`proven` says in a sentence what it was tried with; `tls` is the `sip.tls` that a file for it has, as text."""

    title: str
    proven: str
    tls: str = ""
    settings: dict[str, Any]
    example: str
    hints: tuple[Hint, ...] = ()


def hints_of(name: str) -> tuple[tuple[str, int | None, str], ...]:
    """For `Trunk.hints`; none without a profile."""
    return tuple((one.method, one.status, one.says) for one in profile(name).hints) if name else ()


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def profile(name: str) -> Profile:
    """Raises ValueError, with the names that there are."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no profile {name!r}; these are: {', '.join(names())}{meant}")
    return Profile.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def with_profile(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `trunks` with the defaults of its profile. Raises ValueError."""
    name = row.get("profile")
    if not isinstance(name, str) or not name:
        return dict(row)
    return merged(profile(name).settings, row)


def merged(defaults: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What the row says stands above the defaults, in sections key by key."""
    found = dict(defaults)
    for key, value in row.items():
        known = found.get(key)
        found[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return found
