"""What `gateway init` begins with for each provider: its row of `providers`, and an agent that speaks through it.

`starters/NAME/provider.yaml` is the row, as text; its first two lines say whose it is and what it was tried with.
`starters/NAME/agent.yaml` is the agent's whole file. docs/providers/NAME.md is for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "starters"

COMPANY = "a small company"
"""What the agents' files call whom they speak for."""

_SECRET = re.compile(r"\w_env: (\w+)")


@dataclass(frozen=True, slots=True)
class Starter:
    """`row` is empty where the provider needs none; `proven` says in a sentence what it was tried with."""

    name: str
    title: str
    proven: str
    row: str
    agent: str


def names() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir())


@cache
def starter(name: str) -> Starter:
    """Raises ValueError, with the names that there are."""
    if name not in names():
        near = get_close_matches(name, names(), 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no provider {name!r}; these are: {', '.join(names())}{meant}")
    title, proven, *row = (FOLDER / name / "provider.yaml").read_text(encoding="utf-8").splitlines()
    agent = (FOLDER / name / "agent.yaml").read_text(encoding="utf-8")
    return Starter(name, title.removeprefix("# "), proven.removeprefix("# "), "\n".join(row), agent)


def agent_for(name: str, company: str = COMPANY) -> str:
    """The agent's file, which speaks for `company`. Raises ValueError for a name that cannot stand there."""
    if not company.strip() or not company.isprintable() or re.search(r"[{}]|(^|\s)#|: ", company):
        raise ValueError(f"{company!r} cannot stand in the agent's text: a name without braces, # and colons is wanted")
    return starter(name).agent.replace(COMPANY, company.strip())


def secrets_in(text: str) -> dict[str, bool]:
    """The variables of the environment that a file names, and whether it needs them: those of comments it does not."""
    found: dict[str, bool] = {}
    for line in text.splitlines():
        setting, _, comment = line.partition("#")
        found |= {name: True for name in _SECRET.findall(setting)}
        if not setting.strip():
            found |= {name: found.get(name, False) for name in _SECRET.findall(comment)}
    return found
