"""What somebody else knows of a caller, while it rings: the answer of an agent's `lookup`, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.agents import Agent, with_changes
from gateway.errors import ConfigError

MOST, LONGEST = 100, 1000
"""Variables, and characters of each."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a lookup may set; what is empty stays as it is."""

    variables: Mapping[str, str] = field(default_factory=dict)
    agent: str = ""
    greeting: str = ""


def read(answer: str) -> Found:
    """JSON with `variables`, `agent`, `greeting`; nothing at all is an answer too. Raises ValueError."""
    if not answer.strip():
        return Found()
    try:
        given: Any = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"its answer is no JSON: {answer[:80]!r}") from error
    if given is None:
        return Found()
    if not isinstance(given, dict):
        raise ValueError("its answer is no JSON object")
    if unknown := sorted(set(given) - {"variables", "agent", "greeting"}):
        raise ValueError(f"its answer has {unknown[0]!r}, where variables, agent and greeting are known")
    variables = given.get("variables") or {}
    if not isinstance(variables, dict) or len(variables) > MOST:
        raise ValueError(f"variables has to be an object with {MOST} names at most")
    found = {}
    for name, value in variables.items():
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            raise ValueError(f"a variable cannot be called {name!r}")
        if isinstance(value, dict | list):
            raise ValueError(f"the variable {name} has to be text or a number")
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        found[name.lower()] = " ".join(text[:LONGEST].split())
    for name in ("agent", "greeting"):
        if not isinstance(given.get(name) or "", str):
            raise ValueError(f"{name} has to be text")
    return Found(found, given.get("agent") or "", given.get("greeting") or "")


def greeted(agent: Agent, greeting: str) -> Agent:
    """The agent with another greeting, said as its own would be. Raises ValueError."""
    own = agent.definition.greeting
    said = {**own.model_dump(exclude={"prompt"}), "say": greeting.replace("{{", "{ {"), "verbatim": own.exact}
    try:
        return with_changes(agent, {"greeting": said})
    except ConfigError as error:
        raise ValueError(f"greeting: {error.problem}") from error
