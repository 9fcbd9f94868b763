"""Python functions as tools: `@tool` makes one of any function with type hints and a docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from gateway.call_record import Party
from gateway.errors import ToolError

Function = TypeVar("Function", bound=Callable[..., Any])


class CallContext(Protocol):
    """What a tool may know of the call that it works for: a parameter of this type is filled in, not offered."""

    @property
    def call_id(self) -> str: ...
    @property
    def caller(self) -> Party: ...
    @property
    def called(self) -> Party: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def collected(self) -> Mapping[str, str]:
        """Keys that `collect_digits` has collected, by name."""


class AnyTool(Protocol):
    """What the model can call and the gateway does not carry out itself."""

    @property
    def name(self) -> str: ...
    @property
    def definition(self) -> dict[str, Any]: ...
    @property
    def is_async(self) -> bool: ...
    def bind(self, arguments: str, context: CallContext, call_id: str) -> Callable[[], Any]:
        """What is to be run, with its arguments checked. Raises ToolError."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One function. `context` is the name of its CallContext parameter, empty where it wants none."""

    name: str
    description: str
    function: Callable[..., Any]
    arguments: type[BaseModel]
    context: str = ""

    @property
    def definition(self) -> dict[str, Any]:
        """As the Realtime protocol's `tools` want it."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        return {"type": "function", "name": self.name, "description": self.description, "parameters": parameters}

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def bind(self, arguments: str, context: CallContext, call_id: str = "") -> Callable[[], Any]:
        """The call with its arguments, JSON as the model wrote it, checked. Raises ToolError."""
        try:
            values = self.arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            raise ToolError(self.name, "; ".join(map(_explain, error.errors()))) from error
        given = {name: getattr(values, name) for name in type(values).model_fields}
        if self.context:
            given[self.context] = context
        return lambda: self.function(**given)


def _explain(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc'])) or 'arguments'}: {error['msg']}"


def tool(function: Function) -> Function:
    """Offer `function` to the model under its own name. The first paragraph of its docstring is the description."""
    function.__gateway_tool__ = True  # type: ignore[attr-defined]
    return function


def is_tool(value: object) -> bool:
    return callable(value) and getattr(value, "__gateway_tool__", False) is True


def describe(function: Callable[..., Any]) -> Tool:
    """Raises TypeError for a parameter without a type hint."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    context = ""
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"{function.__name__}: the parameter {name!r} has no type hint")
        if hints[name] is CallContext:
            context = name
        else:
            fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    description = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
    model = create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    return Tool(function.__name__, description, function, model, context)
