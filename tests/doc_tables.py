"""Writes what of docs/ and deploy/trunks/ is made from the code: `python -m tests.doc_tables`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.agents import Prompted
from gateway.bridge.reasons import BY_Q850, BY_STATUS, OURS, REASONS
from gateway.call_record import CallRecord, CallState
from gateway.cli.init_command import gateway_file
from gateway.config import starters
from gateway.config.gateway_file import GatewayFile
from gateway.config.starters import starter
from gateway.config.trunk_profiles import names, profile
from gateway.delivery.webhooks import WEBHOOKS_OF_EVENTS
from gateway.destinations import Destination
from gateway.document import Section
from gateway.events import EVENTS, EventData
from gateway.outcomes import RETRY_AFTER, Outcome, Refusal
from gateway.sip import Match, Numbers, Trunk, TrunkTls
from gateway.sip.trunk.settings import GROUPS
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


def profiles() -> list[str]:
    return [f"| `{name}` | [{profile(name).title}](trunks/{name}.md) |" for name in names()]


def settings() -> list[str]:
    hints, rows = get_type_hints(Trunk, include_extras=True), list[str]()
    known = [one.name for one in fields(Trunk)]
    for group, (first, last) in GROUPS.items():
        rows += ["", f"### {group}", "", *_settings(Trunk, known[known.index(first) : known.index(last) + 1])]
        for name, kind in (("match", Match), ("numbers", Numbers), ("tls", TrunkTls)):
            if known.index(first) <= known.index(name) <= known.index(last):
                title = f"`{name}`: {hints[name].__metadata__[0].description.partition(', see')[0]}"
                rows += ["", f"{title}.", "", *_settings(kind, [one.name for one in fields(kind)], f"{name}.")]
    return [*rows, ""]


NOT_IN_FILE = {"peer_names", "hints"}


def _settings(kind: type, wanted: list[str], prefix: str = "") -> list[str]:
    hints = get_type_hints(kind, include_extras=True)
    rows = ["| key | what it says | default | such as |", "| --- | --- | --- | --- |"]
    for one in fields(kind):
        if one.name not in wanted or one.name in NOT_IN_FILE:
            continue
        about = hints[one.name].__metadata__[0]
        key = {"credentials": "login"}.get(one.name, one.name)
        meaning = about.description.removeprefix("`login` in the file: ").replace("|", "\\|")
        if key == "peers":
            meaning += "; names of hosts too, whose SRV records and addresses are looked up each minute"
        rows.append(f"| `{prefix}{key}` | {meaning} | {_default(one)} | `{_yaml(about.examples[0])}` |")
    return rows


def _default(one: Field[Any]) -> str:
    value = None if one.default is MISSING else one.default
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:g}"
        case tuple():
            return ", ".join(value)
        case str():
            return value
        case _:
            return ""


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).replace("\n...", "").strip()


UNITS = {"seconds": "s", "ms": "ms", "days": "days", "hours": "hours", "dbm0": "dBm0"}
ELSEWHERE = {"trunks": "[trunks](trunks.md) has its keys, and a page for each carrier."}
ABOUT = {
    "sip.tls": "Without this section there is no TLS.",
    "sip.also": "A list.",
    "http.tls": "Without this section HTTP is plain.",
    "providers": "`NAME` is what agents call it.",
    "mcp": "`NAME` stands before the names of its tools. Either `command` or `url`.",
    "hours": "`NAME` is what routes call it. `gateway hours -c FILE --at 2026-12-24T10:00` says what holds then.",
    "menus": "`NAME` is what destinations call it; see [menus](menus.md).",
    "voicemail": "Mailboxes; `NAME` is what destinations call it; see [menus](menus.md#voicemail).",
    "routes": "A list; each call goes by the first row that fits. There has to be one.",
    "dial_plan": "A list: by which trunks numbers are called. Without it by the only trunk, or the one that is named.",
    "webhooks": "A list.",
}


def configuration() -> list[str]:
    plain = {name: one for name, one in GatewayFile.model_fields.items() if not _section(one.annotation)}
    return [*_section_table("The file itself", "", plain), *_sections(GatewayFile, "")]


def _sections(kind: type[BaseModel], prefix: str) -> list[str]:
    rows = list[str]()
    for name, one in kind.model_fields.items():
        found = _section(one.annotation)
        if not found:
            continue
        path = f"{prefix}{name}"
        if path in ELSEWHERE:
            rows += ["", f"## `{path}`", "", ELSEWHERE[path]]
            continue
        section, many = found
        keys = {"list": f"{path}.", "mapping": f"{path}.NAME."}.get(many, f"{path}.")
        plain = {
            name: one for name, one in section.model_fields.items() if not _section(one.annotation) or name == "dialect"
        }
        rows += ["", *_section_table(f"`{path}`", keys, plain, ABOUT.get(path, "")), *_sections(section, keys)]
    return rows


def _section(annotation: Any) -> tuple[type[BaseModel], str] | None:
    """The section that a key holds, and whether it is one, a list or a mapping of them."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, "one"
    inner = [one for one in get_args(annotation) if one not in (str, type(None), ...)]
    if len(inner) != 1 or not isinstance(inner[0], type) or not issubclass(inner[0], Section):
        return None
    return inner[0], "mapping" if get_origin(annotation) is dict else "one or a list"


def _section_table(title: str, prefix: str, keys: Mapping[str, FieldInfo], about: str = "") -> list[str]:
    rows = [f"## {title}", "", *([about, ""] if about else []), "| key | what it says | type | default | such as |"]
    rows.append("| --- | --- | --- | --- | --- |")
    for name, one in keys.items():
        assert one.description, f"{prefix}{name} has no description"
        value = one.get_default(call_default_factory=True) if not one.is_required() else None
        default = "has to be said" if one.is_required() else _value(value)
        such = f"`{_yaml(one.examples[0])}`" if one.examples else ""
        unit = next((unit for ending, unit in UNITS.items() if name.endswith(f"_{ending}")), "")
        kind = " ".join(filter(None, (_type(one.annotation), f"({unit})" if unit else "", _limits(one))))
        meaning = one.description.replace("|", "\\|")
        rows.append(f"| `{prefix}{name}` | {meaning} | {kind} | {default} | {such} |")
    return rows


def _value(value: object) -> str:
    if value is None or value in ("", (), {}) or value == Prompted():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value) if len(value) < 5 else "all"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


NAMES: dict[Any, str] = {
    str: "text",
    bool: "true, false",
    int: "whole number",
    float: "number",
    date: "date",
    Path: "file or folder",
    Prompted: "text or mapping",
    Destination: "destination",
}


def _type(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in inner) if len(inner) < 8 else "one of a list"
    if origin is Annotated:
        return _type(inner[0])
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "mapping"
    if inner:  # a union
        return " or ".join(_type(one) for one in inner if one is not type(None))
    return NAMES.get(annotation, "mapping")


def _limits(one: FieldInfo) -> str:
    found = {
        name: getattr(about, name) for about in one.metadata for name in ("ge", "gt", "le") if hasattr(about, name)
    }
    low = f"{found['ge']:g}" if "ge" in found else f"more than {found['gt']:g}" if "gt" in found else ""
    if "le" in found:
        return f"{low} to {found['le']:g}"
    return f"at least {low}" if "ge" in found else low


PAGES: dict[str, dict[str, Callable[[], list[str]]]] = {
    "configuration.md": {"configuration": configuration},
    "events.md": {"events": events, "outcomes": outcomes, "refusals": refusals, "record": record},
    "operations.md": {"redis keys": redis_keys},
    "trunks.md": {"profiles": profiles, "settings": settings},
}


def _example(name: str) -> list[str]:
    shown = gateway_file(name).partition("\ntrunks:\n")[2].partition("\nroutes:")[0].rstrip()
    return ["", *(f"    {line}".rstrip() for line in ["trunks:", *shown.splitlines()]), ""]


def _defaults(name: str) -> list[str]:
    shown = yaml.safe_dump(profile(name).settings, sort_keys=False, width=110, default_flow_style=None)
    return ["", *(f"    {line}" for line in shown.rstrip().splitlines()), ""]


PAGES |= {
    f"trunks/{name}.md": {"example": partial(_example, name), "defaults": partial(_defaults, name)} for name in names()
}


def _starter(name: str) -> list[str]:
    one = starter(name)
    row = ["In `gateway.yaml`:", "", "    providers:", *(f"      {line}".rstrip() for line in one.row.splitlines()), ""]
    agent = ["In `agents/reception.yaml`:", "", *(f"    {line}".rstrip() for line in one.agent.splitlines()), ""]
    return ["", one.proven, "", *(row if one.row else []), *agent]


def _starters() -> list[str]:
    return [
        f"| `{name}` | [{starter(name).title}](providers/{name}.md) | {starter(name).proven} |"
        for name in starters.names()
    ]


PAGES |= {"providers.md": {"starters": _starters}}
PAGES |= {f"providers/{name}.md": {"files": partial(_starter, name)} for name in starters.names()}


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


DEPLOY = DOCS.parent / "deploy"

FILES: dict[Path, Callable[[], str]] = {
    DEPLOY / "docker" / "config" / "gateway.yaml": partial(gateway_file, ""),
    DEPLOY / "docker" / "config" / "agents" / "reception.yaml": partial(starters.agent_for, "local"),
}
FILES |= {DEPLOY / "trunks" / f"{name}.yaml": partial(gateway_file, name) for name in names()}
"""What deploy/ has of `gateway init`."""


if __name__ == "__main__":
    for one in PAGES:
        (DOCS / one).write_text(page(one))
    for path, made in FILES.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made())
