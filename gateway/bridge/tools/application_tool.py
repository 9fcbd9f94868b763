"""A tool that is carried out by the application that watches the session (OpenAI's SIP connector)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.agents import CallContext
from gateway.errors import ToolError


@dataclass(frozen=True, slots=True)
class ApplicationTool:
    """A function of the application's: it sees the call of it in the session, and answers there."""

    name: str
    definition: dict[str, Any]
    is_async: bool = True

    def bind(self, arguments: str, context: CallContext, call_id: str) -> Callable[[], Any]:
        raise ToolError(self.name, "is for the application to carry out")
