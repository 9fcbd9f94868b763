"""YAML files as pydantic models, with errors that name the line."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from gateway.errors import ConfigError

Model = TypeVar("Model")
Location = tuple[int | str, ...]


def read(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), f"cannot be read: {error}") from error


def load(source: str, text: str, build: Callable[[dict[str, Any]], Model]) -> Model:
    """`build` makes the model of the mapping that `text` holds. Raises ConfigError, with all others in its `more`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.load(text, Loader=_Strict)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(source, f"not valid YAML: {error.problem}", line=line) from error
    except yaml.YAMLError as error:
        raise ConfigError(source, f"not valid YAML: {error}") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(source, "it has to be a mapping of keys to values", line=1)
    try:
        return build(data)
    except ValidationError as error:
        problems = [
            ConfigError(source, _explain(one), line=line_of(node, one["loc"]), key=_dotted(one["loc"]))
            for one in error.errors()
        ]
        first, *more = sorted(problems, key=lambda one: one.line)
        first.more = tuple(more)
        raise first from error


def line_of(node: yaml.Node | None, location: Location) -> int:
    """The line of the key that `location` names, or of the nearest thing around it that is there."""
    line = node.start_mark.line + 1 if node else 0
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line


def _dotted(location: Location) -> str:
    return ".".join(str(step) for step in location)


def _explain(error: Any) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "there is no such key"
        case "missing":
            return "is missing"
        case "value_error":
            return str(error["ctx"]["error"])
    return f"{error['msg'][0].lower()}{error['msg'][1:]}, not {_short(error['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


class _Strict(yaml.SafeLoader):
    """Refuses a key that stands there twice, where YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)
