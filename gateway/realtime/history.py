"""What was said in a call, as its caller knows it, to be told to a session that begins in the middle of it.

Sans-I/O. An item of the assistant counts as far as it was heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

MAX_ENTRIES = 400
"""Turns, calls and texts that are remembered; beyond that the oldest are forgotten."""

GO_ON = (
    "The connection was renewed in the middle of this call. The caller is still on the line: go on where you stopped, "
    "and do not greet again."
)


@dataclass(slots=True)
class SpokenItem:
    """One side's words. `received_ms` of them came as audio; `heard_ms` is set where the caller cut them short."""

    role: str
    text: str = ""
    received_ms: float = 0.0
    heard_ms: int | None = None

    def heard(self) -> str:
        if self.heard_ms is None or self.heard_ms >= self.received_ms:
            return self.text
        end = round(len(self.text) * self.heard_ms / self.received_ms)
        return self.text[: max(0, self.text.rfind(" ", 0, end + 1))] if end < len(self.text) else self.text


@dataclass(slots=True)
class FunctionCall:
    """A function that the model called; `output` is None while it runs."""

    call_id: str
    name: str
    arguments: str
    output: str | None = None


Entry = TypeVar("Entry", SpokenItem, FunctionCall)


class History:
    """One call's."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, str], SpokenItem | FunctionCall] = {}
        self._sessions = self._texts = 0

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self) -> SessionHistory:
        """What another session adds; its items have ids of its own."""
        self._sessions += 1
        return SessionHistory(self, self._sessions)

    def text(self, role: str, text: str) -> None:
        """An item of ours."""
        self._texts += 1
        self.keep((0, f"text {self._texts}"), SpokenItem(role, text))

    def call(self, call_id: str, name: str, arguments: str) -> None:
        self.keep((0, f"call {call_id}"), FunctionCall(call_id, name, arguments))

    def output(self, call_id: str, output: str) -> None:
        entry = self._entries.get((0, f"call {call_id}"))
        if isinstance(entry, FunctionCall):
            entry.output = output

    @property
    def open_calls(self) -> set[str]:
        """Those that have no answer yet."""
        return {one.call_id for one in self._entries.values() if isinstance(one, FunctionCall) and one.output is None}

    def items(self) -> list[dict[str, Any]]:
        """For `conversation.item.create`, oldest first; where there are any, the model is told why."""
        items: list[dict[str, Any]] = []
        for entry in self._entries.values():
            if isinstance(entry, FunctionCall):
                call = {"call_id": entry.call_id, "name": entry.name, "arguments": entry.arguments}
                items.append({"type": "function_call", **call})
                if entry.output is not None:
                    items.append({"type": "function_call_output", "call_id": entry.call_id, "output": entry.output})
            elif text := entry.heard():
                items.append(message(entry.role, text))
        return [message("system", GO_ON), *items] if items else []

    def keep(self, key: tuple[int, str], entry: Entry) -> Entry:
        self._entries[key] = entry
        if len(self._entries) > MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry

    def find(self, key: tuple[int, str]) -> SpokenItem | FunctionCall | None:
        return self._entries.get(key)


class SessionHistory:
    """What one session adds to the history, by the ids of its items."""

    def __init__(self, history: History, number: int) -> None:
        self._history, self._number = history, number

    def turn(self, item_id: str) -> None:
        """The caller's turn has this place; its words may come later."""
        self._said(item_id, "user")

    def words(self, role: str, item_id: str, text: str) -> None:
        """All of them."""
        self._said(item_id, role).text = text

    def more(self, item_id: str, text: str) -> None:
        """The next words of the assistant."""
        self._said(item_id, "assistant").text += text

    def audio(self, item_id: str, ms: float) -> None:
        """So much more of the assistant's item has come."""
        self._said(item_id, "assistant").received_ms += ms

    def cut(self, item_id: str, heard_ms: int) -> None:
        """The caller heard no more of it."""
        entry = self._history.find((self._number, item_id))
        if isinstance(entry, SpokenItem):
            entry.heard_ms = heard_ms

    def heard(self, item_id: str) -> str:
        """Of an item, as far as it was heard; by the share of its audio."""
        entry = self._history.find((self._number, item_id))
        return entry.heard() if isinstance(entry, SpokenItem) else ""

    def _said(self, item_id: str, role: str) -> SpokenItem:
        key = self._number, item_id
        entry = self._history.find(key)
        return entry if isinstance(entry, SpokenItem) else self._history.keep(key, SpokenItem(role))


def message(role: str, text: str) -> dict[str, Any]:
    """An item that says `text`."""
    content = [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]
    return {"type": "message", "role": role, "content": content}
