"""What to say next, by rules: the last thing that the caller or a tool said decides."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from gateway.local.script import Rule, Script

_VERBATIM = re.compile(r"\bsay exactly:\s*(.+)", re.IGNORECASE | re.DOTALL)


def verbatim(instructions: str) -> str:
    """What is to be said word for word; empty where that is not what is asked."""
    found = _VERBATIM.search(instructions)
    return found[1].strip().strip('"') if found else ""


Calls = tuple[tuple[str, dict[str, Any]], ...]
"""Tools, by name with their arguments."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response: what is said, and the tools that are called (name, arguments)."""

    text: str = ""
    calls: Calls = ()


@dataclass(slots=True)
class Brain:
    """Answers by an agent's script. Instructions of the form `Say exactly: ...` are spoken word for word."""

    script: Script
    _pending: dict[str, tuple[Rule, dict[str, str]]] = field(default_factory=dict)  # by tool name

    def reply(
        self, items: list[dict[str, Any]], instructions: str, tools: set[str], must_call: str | None = None
    ) -> Reply:
        """`items` is the conversation; `instructions` are those of this response alone; `tools` what may be called.

        `must_call` names the tool that has to be; any of them where it is empty, none where it is None.
        """
        if must_call is not None and tools:
            return self._forced(items, tools, must_call)
        if words := verbatim(instructions):
            return Reply(words)
        heard = (item for item in reversed(items) if item.get("role") in (None, "user") and "name" not in item)
        last: dict[str, Any] = next(heard, {})
        known = self._remembered(items)
        if last.get("type") == "function_call_output":
            return Reply(self._after_tool(items, last))
        if not last:
            return Reply(self.script.otherwise)
        found = self.script.find(_text_of(last))
        if found is None:
            return Reply(self.script.otherwise)
        rule, slots = found[0], {**known, **found[1]}
        if not rule.calls or rule.calls not in tools:
            return Reply(_fill(rule.says, slots) or self.script.otherwise)
        self._pending[rule.calls] = rule, slots
        arguments = {name: _fill(value, slots) for name, value in rule.arguments.items()}
        return Reply(_fill(rule.says, slots), ((rule.calls, arguments),))

    def _forced(self, items: list[dict[str, Any]], tools: set[str], name: str) -> Reply:
        """A call with what is known for it: by the rule that fits what was said, else by any rule for the tool."""
        heard: dict[str, Any] = next((item for item in reversed(items) if item.get("role") == "user"), {})
        found = self.script.find(_text_of(heard))
        rules = [*([found[0]] if found else []), *self.script.rules]
        wanted = {name} if name else tools
        rule = next((one for one in rules if one.calls in wanted), Rule(()))
        slots = {**self._remembered(items), **(found[1] if found else {})}
        called = rule.calls or min(wanted)
        self._pending[called] = rule, slots
        return Reply("", ((called, {key: _fill(value, slots) for key, value in rule.arguments.items()}),))

    def _remembered(self, items: list[dict[str, Any]]) -> dict[str, str]:
        """The latest words of each slot, of all that the caller has said."""
        known: dict[str, str] = {}
        for item in items:
            if item.get("role") == "user" and (found := self.script.find(_text_of(item))):
                known.update(found[1])
        return known

    def _after_tool(self, items: list[dict[str, Any]], output: dict[str, Any]) -> str:
        call = next((item for item in items if item.get("call_id") == output["call_id"] and "name" in item), {})
        rule, slots = self._pending.pop(call.get("name", ""), (Rule(()), {}))
        text = output.get("output", "")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        fields = answer if isinstance(answer, dict) else {}
        values = {**slots, **{name: str(value) for name, value in fields.items()}, "output": str(answer)}
        return _fill(rule.failed if "error" in fields else rule.then, values)


def _text_of(item: dict[str, Any]) -> str:
    parts = item.get("content") or []
    return " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts).strip()


def _fill(template: Any, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), str(template))
