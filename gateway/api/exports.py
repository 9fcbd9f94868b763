"""Calls as CSV (RFC 4180), for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

COLUMNS = (
    "call_id", "direction", "state", "outcome", "started_time", "answered_time", "ended_time", "talked_seconds",
    "caller", "caller_name", "called", "agent", "trunk", "node", "interruptions", "tool_calls", "disposition", "cost",
)  # fmt: skip

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet may take for a formula: names of callers come from anybody."""


def head() -> str:
    return _line(COLUMNS)


def rows(records: Iterable[dict[str, Any]]) -> str:
    """`records` with their times as ISO 8601."""
    return "".join(_line([_cell(_value(record, name)) for name in COLUMNS]) for record in records)


def _value(record: dict[str, Any], name: str) -> Any:
    if name == "talked_seconds":
        answered, ended = record.get("answered_at"), record.get("ended_at")
        return round(ended - answered, 1) if answered and ended else ""
    return record.get(name)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    into = io.StringIO()
    csv.writer(into).writerow(cells)
    return into.getvalue()
