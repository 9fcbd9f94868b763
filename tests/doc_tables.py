"""Writes the tables of docs/ that are made from the code: `python -m tests.doc_tables`."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import get_type_hints

from gateway.bridge.reasons import BY_Q850, BY_STATUS, OURS, REASONS
from gateway.call_record import CallRecord, CallState
from gateway.delivery.webhooks import WEBHOOKS_OF_EVENTS
from gateway.events import EVENTS, EventData
from gateway.outcomes import RETRY_AFTER, Outcome, Refusal
from gateway.store import keys

DOCS = Path(__file__).parent.parent / "docs"


def events() -> list[str]:
    rows = ["| event | when | data | webhook |", "| --- | --- | --- | --- |"]
    for name, kind in EVENTS.items():
        hooks = ", ".join(f"`{one}`" for one in WEBHOOKS_OF_EVENTS.get(name, ()))
        rows.append(f"| `{name}` | {(kind.__doc__ or '').rstrip('.')} | {_data(kind)} | {hooks} |")
    return rows


def _data(kind: type[EventData]) -> str:
    hints, found = get_type_hints(kind, include_extras=True), []
    for one in fields(kind):
        about = " ".join(getattr(hints[one.name], "__metadata__", ()))
        maybe = "" if one.default is MISSING else "?"
        found.append(f"`{one.name}`{maybe}" + (f" ({about})" if about else ""))
    return ", ".join(found)


def outcomes() -> list[str]:
    rows = [
        "| outcome | what it means | SIP answer | of a call out: SIP status; Q.850 cause |",
        "| --- | --- | --- | --- |",
    ]
    for outcome in Outcome:
        reasons = {reason.status: reason for reason in (*REASONS.values(), OURS) if reason.outcome is outcome}
        warns = outcome is Outcome.MEDIA_ADDRESS_REFUSED
        answers = [f"{status}{', Warning' if warns or one.headers else ''}" for status, one in reasons.items()]
        if RETRY_AFTER.get(outcome, 0):
            answers.append("Retry-After")
        out = "; ".join(", ".join(map(str, sorted(of.get(outcome, ())))) for of in (BY_STATUS, BY_Q850))
        rows.append(f"| `{outcome}` | {outcome.meaning} | {', '.join(answers)} | {out.strip('; ')} |")
    return rows


def refusals() -> list[str]:
    rows = ["| reason | what it means | Retry-After |", "| --- | --- | --- |"]
    return rows + [f"| `{one}` | {one.meaning} | {RETRY_AFTER.get(one, 0)} s |" for one in Refusal]


def record() -> list[str]:
    rows = ["| field | what it is |", "| --- | --- |"]
    for name, field in CallRecord.model_fields.items():
        about = (field.description or "").rstrip(".")
        if name == "state":
            about = ", ".join(f"`{state}`" for state in CallState)
        rows.append(f"| `{name}` | {about} |")
    return rows


def redis_keys() -> list[str]:
    return [line for line in (keys.__doc__ or "").splitlines() if line.startswith("|")]


PAGES = {
    "events.md": {"events": events, "outcomes": outcomes, "refusals": refusals, "record": record},
    "operations.md": {"redis keys": redis_keys},
}


def page(name: str) -> str:
    """What a page ought to be."""
    text = (DOCS / name).read_text()
    for table, rows in PAGES[name].items():
        begin, end = f"<!-- {table} -->", f"<!-- end of {table} -->"
        assert begin in text, begin
        assert end in text, end
        made = "\n".join(rows())
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.partition(end)[2]}"
    return text


if __name__ == "__main__":
    for one in PAGES:
        (DOCS / one).write_text(page(one))
