"""YAML files as pydantic models, with errors for people: the line, what is wrong, and what is meant there.

All that is wrong is told at once.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Hashable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from gateway.errors import ConfigError

Model = TypeVar("Model")
Settings = TypeVar("Settings")
Result = TypeVar("Result")
Location = tuple[int | str, ...]


class Section(BaseModel):
    """A part of a file: keys that it does not know are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def says(meaning: str, example: object = None, **limits: Any) -> Any:
    """One setting, for docs/configuration.md and docs/trunks.md: a sentence, and a value as it stands in the file."""
    return Field(description=meaning, examples=None if example is None else [example], **limits)


def section_of(settings: type[Any], base: type[Section], differing: Mapping[str, Any]) -> type[Section]:
    """The part of a file that describes `settings`, a dataclass: its fields, with their types, limits and defaults.

    `differing` has what is written otherwise in the file: a type and a default, or None for what is not there at all.
    """
    hints = get_type_hints(settings, include_extras=True)
    found: dict[str, Any] = {}
    for one in dataclasses.fields(settings):
        if one.default is not dataclasses.MISSING:
            default: Any = one.default
        else:
            default = ... if one.default_factory is dataclasses.MISSING else one.default_factory()
        found[one.name] = (hints[one.name], default)
    found |= differing
    given = {name: value for name, value in found.items() if value is not None}
    return create_model(f"{settings.__name__}Section", __base__=base, __doc__=settings.__doc__, **given)


def fill(settings: type[Settings], *sections: BaseModel, **own: Any) -> Settings:
    """Settings, a dataclass, from the fields of the same name in the sections of a file, and from `own`."""
    found: dict[str, Any] = {}
    for one in dataclasses.fields(settings):  # type: ignore[arg-type]
        for section in sections:
            if one.name in type(section).model_fields:
                found[one.name] = getattr(section, one.name)
    return settings(**found | own)


def read(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"cannot be read: byte {error.start + 1} is not UTF-8") from error


def load(
    source: str, text: str, build: Callable[[dict[str, Any]], Model], model: type[BaseModel] | None = None
) -> Model:
    """`build` makes the model of the mapping that `text` holds. Raises ConfigError, with all others in its `more`.

    `model` is what knows the keys that there are.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.load(text, Loader=_Strict)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigError(source, f"not valid YAML: {_plain_yaml(error)}", line=line) from error
    except yaml.YAMLError as error:
        raise ConfigError(source, f"not valid YAML: {error}") from error
    except ValueError as error:  # a time or a number that looks like one, and is none
        raise ConfigError(source, f"not valid YAML: {error}; put it in quotes where text is meant") from error
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(source, "it has to be a mapping of keys to values", line=1)
    try:
        return build(data)
    except ValidationError as error:
        raise explained(error, source, model, node) from error


class Faults:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self.found: list[ConfigError] = []

    def of(self, work: Callable[[], Result]) -> Result | None:
        """What `work` gives; None where it raised ConfigError, which is kept."""
        try:
            return work()
        except ConfigError as error:
            self.add(error)
            return None

    def add(self, error: ConfigError) -> None:
        more, error.more = error.more, ()
        self.found += [error, *more]

    def tell(self) -> None:
        """Raises the first, with the others in its `more`; each once."""
        if self.found:
            known = {str(one): one for one in self.found}
            first, *more = sorted(known.values(), key=lambda one: (one.source, one.line))
            first.more = tuple(more)
            raise first


def explained(
    error: ValidationError, source: str, model: type[BaseModel] | None = None, node: yaml.Node | None = None
) -> ConfigError:
    """What pydantic found, for people: one error for each key."""
    found: dict[str, ConfigError] = {}
    for one in error.errors():
        location = _cleaned(one, node)
        key = _dotted(location)
        problem = explain(one, list(_fields(model, location[:-1])) if model else [])
        if key not in found or one["type"] in ("literal_error", "enum"):  # the alternatives of a union: one is enough
            found[key] = ConfigError(source, problem, line=line_of(node, location), key=key)
    first, *more = sorted(found.values(), key=lambda one: one.line)
    first.more = tuple(more)
    return first


def place(error: ConfigError) -> None:
    """Find the line of what `key` names in the file that is `source`, where the error has none."""
    if error.line or not error.key or not Path(error.source).is_file():
        return
    steps = tuple(int(step) if step.isdecimal() else step for step in error.key.split("."))
    try:
        error.line = line_of(yaml.compose(read(Path(error.source)), Loader=yaml.SafeLoader), steps)
    except (yaml.YAMLError, ConfigError):
        return


def line_of(node: yaml.Node | None, location: Location) -> int:
    """The line of the key that `location` names, or of the nearest thing around it that is there."""
    line = node.start_mark.line + 1 if node else 0
    for step in location:
        found = _step(node, step)
        if found is None:
            break
        line, node = found
    return line


def _step(node: yaml.Node | None, step: int | str) -> tuple[int, yaml.Node] | None:
    """The line and the node of a key or of an entry."""
    if isinstance(node, yaml.MappingNode):
        pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
        return (pair[0].start_mark.line + 1, pair[1]) if pair else None
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None


def _cleaned(one: Any, node: yaml.Node | None) -> Location:
    """Without what pydantic adds for the alternatives of a type."""
    location: Location = one["loc"]
    if node is None:
        return tuple(step for step in location if isinstance(step, int) or re.fullmatch(r"[\w.-]+", step))
    kept: list[int | str] = []
    for step in location:
        found = _step(node, step)
        if found is None:
            if one["type"] in ("missing", "extra_forbidden") and step == location[-1]:
                kept.append(step)
            continue
        kept.append(step)
        node = found[1]
    return tuple(kept) or location[:1]


def _dotted(location: Location) -> str:
    return ".".join(str(step) for step in location)


PATTERNS = {
    "wss?://": "a ws:// or wss:// address",
    "https?://": "an http:// or https:// address",
    "A-Za-z0-9._-": "a name of letters, digits, dots, dashes and underscores, of at most 64 characters",
}
"""What some patterns mean, by a part of them."""

_KINDS = {
    "int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "path": "a path",
    "list": "a list", "tuple": "a list", "set": "a list", "frozen": "a list", "dict": "a mapping of keys to values",
    "model": "a mapping of keys to values", "ip": "an address or a network, such as 192.0.2.0/24",
}  # fmt: skip
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"),
           "greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}  # fmt: skip
_UNITS = re.compile(
    r"\s*(\d+(?:\.\d+)?)\s*(ms|s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|hz|khz)\s*", re.IGNORECASE
)


def explain(one: Any, known: list[str] | None = None) -> str:
    """One of pydantic's errors as a sentence; `known` are the keys that stand where it is about one."""
    kind, context = one["type"], one.get("ctx", {})
    match kind:
        case "extra_forbidden":
            near = get_close_matches(str(one["loc"][-1]), known or [], 1)
            return "there is no such key" + (f"; did you mean {near[0]}?" if near else "")
        case "missing":
            return "is missing"
        case "value_error":
            return str(context["error"])
        case "literal_error" | "enum":
            options = [part.strip().strip("'") for part in re.split(r",| or ", context["expected"])]
            near = get_close_matches(str(one["input"]), options, 1)
            meant = f"; did you mean {near[0]}?" if near and near[0] != str(one["input"]) else ""
            return f"has to be one of {', '.join(options)}, not {_short(one['input'])}{meant}"
        case "string_pattern_mismatch":
            means = next((text for part, text in PATTERNS.items() if part in context["pattern"]), None)
            return f"has to be {means or 'of the form ' + context['pattern']}, not {_short(one['input'])}"
        case "string_too_short" | "too_short":
            return "is empty" if context.get("min_length") == 1 else f"needs at least {context['min_length']}"
        case "string_too_long" | "too_long":
            return f"is longer than {context['max_length']}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"has to be {words} {context[bound]}, not {_short(one['input'])}"
    if (means := _KINDS.get(kind.partition("_")[0])) is not None:
        unit = _UNITS.fullmatch(one["input"]) if isinstance(one["input"], str) and "number" in means else None
        hint = f"; write it without its unit: {unit[1]}" if unit else ""
        return f"has to be {means}, not {_short(one['input'])}{hint}"
    return f"{one['msg'][0].lower()}{one['msg'][1:]}, not {_short(one['input'])}"


def _fields(model: Any, location: Location) -> Iterator[str]:
    """The keys that a model has at a place within it."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        if not location:
            yield from model.model_fields
        elif (field := model.model_fields.get(str(location[0]))) is not None:
            yield from _fields(field.annotation, location[1:])
        return
    origin, inner = get_origin(model), get_args(model)
    if origin in (Union, types.UnionType):
        for one in inner:
            yield from _fields(one, location)
    elif origin is Annotated:
        yield from _fields(inner[0], location)
    elif inner and location:
        yield from _fields(inner[-1] if origin is dict else inner[0], location[1:])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _plain_yaml(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "'\\t'" in problem:
        return "a tab; use spaces"
    if "mapping values are not allowed" in problem:
        return "a colon where none can be: put the text in quotes, or look at the spaces at the beginning of the lines"
    return problem


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
