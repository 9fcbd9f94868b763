"""The commands of who looks after a gateway that runs: `gateway calls`, `call`, `nodes`, `drain`, `bans`, `keys`."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway import config, logs
from gateway.errors import ConfigError
from gateway.remote import Remote, tail
from gateway.store import open_store

LOCAL = "http://127.0.0.1:8080"
Url = Annotated[str, typer.Option(envvar="GATEWAY_URL", show_envvar=True, help="The running gateway.")]
Key = Annotated[str, typer.Option(envvar="GATEWAY_KEY", show_envvar=True, help="An API key, where it wants one.")]
Json = Annotated[bool, typer.Option("--json", help="As the API tells it, for programs.")]

out = Console()
call = typer.Typer(no_args_is_help=True, help="One call: show, tail, hangup, transfer, hold, say, update.")
keys = typer.Typer(no_args_is_help=True, help="API keys: list, add, remove.")


def calls(
    live: Annotated[bool, typer.Option("--live", help="Only those in progress.")] = False,
    q: Annotated[str, typer.Option("--search", help="In the id, the caller, the called or the agent.")] = "",
    agent: Annotated[str, typer.Option(help="Only this agent's.")] = "",
    outcome: Annotated[str, typer.Option(help="Only those that ended so.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.")] = 30,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Who is on the telephone, and who was."""
    query = {"live": "true" if live else "", "q": q, "agent": agent, "outcome": outcome, "limit": limit}
    found = Remote(url, key).get("/v1/calls", **query)
    rows = [
        (
            one["call_id"],
            one["state"] if one["state"] != "ended" else one.get("outcome", ""),
            _user(one.get("caller", "")),
            _user(one.get("called", "")),
            one.get("agent", ""),
            _when(one.get("started_at"))[5:-3],
            _talked(one),
        )
        for one in found["data"]
    ]
    _show(found, as_json, ("Call", "State", "Caller", "Called", "Agent", "Began", "Talked"), rows)


def nodes(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """The nodes that share the gateway's Redis."""
    found = Remote(url, key).get("/v1/nodes")
    rows = [
        (
            one["id"] + (" (this one)" if one["id"] == found["me"] else ""),
            str(one["calls"]),
            "; ".join(one["problems"]) or "ready",
            one["sip"],
            one["version"],
            _when(one["started_at"]),
        )
        for one in found["data"]
    ]
    _show(found, as_json, ("Node", "Calls", "State", "SIP", "Version", "Since"), rows)


def drain(
    node: str,
    off: Annotated[bool, typer.Option("--off", help="Take calls again.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Have a node take no new calls; those in progress go on."""
    _told(Remote(url, key).post(f"/v1/nodes/{node}/drain", {"on": not off}), as_json)


def bans(
    lift: Annotated[str, typer.Option(help="An address to listen to again.")] = "",
    account: Annotated[str, typer.Option(help="With --lift: only this account there.")] = "",
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Addresses, and accounts at them, that are not listened to for a while, on all nodes."""
    gateway = Remote(url, key)
    if lift:
        _told(gateway.delete(f"/v1/bans/{lift}", account=account), as_json)
        return
    found = gateway.get("/v1/bans")
    rows = [
        (one["address"], one["account"], f"{one['seconds']} s", one["node"], one["reason"]) for one in found["data"]
    ]
    _show(found, as_json, ("Address", "Account", "Still", "Node", "Why"), rows)


@call.command()
def show(call_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """All that is known of a call."""
    found = Remote(url, key).get(f"/v1/calls/{call_id}")
    if as_json:
        out.print_json(json.dumps(found))
        return
    events, transcript = found.pop("events"), found.pop("transcript")
    _table(("", ""), [(name, _text(value)) for name, value in found.items() if value not in (None, "", [], {})])
    _table(("After", "Who", "Words"), [
        (f"{one['at'] - found['started_at']:.1f} s", one["role"], one["text"]) for one in transcript])  # fmt: skip
    out.print(f"{len(events)} events: gateway call tail {call_id}", highlight=False)


@call.command("tail")
def tail_(call_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """What happened in a call and what happens, to its end."""

    def print_one(event: dict[str, Any], line: str) -> None:
        out.print(json.dumps(event) if as_json else line, highlight=False, markup=False, soft_wrap=True)

    tail(Remote(url, key), call_id, print_one)


@call.command()
def hangup(call_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """End a call."""
    _told(Remote(url, key).post(f"/v1/calls/{call_id}/hangup"), as_json)


@call.command()
def transfer(
    call_id: str,
    to: Annotated[str, typer.Argument(help="A number, a sip: or tel: URI, or a target of the agent's.")],
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put the caller through to somebody else."""
    _told(Remote(url, key).post(f"/v1/calls/{call_id}/transfer", {"to": to}), as_json)


@call.command()
def hold(
    call_id: str,
    off: Annotated[bool, typer.Option("--off", help="Take the caller back.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put the caller on hold."""
    _told(Remote(url, key).post(f"/v1/calls/{call_id}/hold", {"on": not off}), as_json)


@call.command()
def say(call_id: str, text: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Have the agent say this."""
    _told(Remote(url, key).post(f"/v1/calls/{call_id}/say", {"text": text}), as_json)


@call.command()
def update(
    call_id: str,
    agent: Annotated[str, typer.Argument(help="Who is to go on with the call.")],
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Give a call another agent."""
    _told(Remote(url, key).post(f"/v1/calls/{call_id}/update", {"agent": agent}), as_json)


@keys.command("list")
def list_keys(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """The API keys, without their secrets."""
    found = Remote(url, key).get("/v1/keys")
    rows = [(one["id"], one["name"], one["role"], _when(one["created_at"])) for one in found["data"]]
    _show(found, as_json, ("Id", "Name", "Role", "Made"), rows)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[str, typer.Option(help="read, operate or admin.")] = "read",
    file: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Into the Redis of this file; the first key needs that."),
    ] = None,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once."""
    made = (
        asyncio.run(_add(file, name, role)) if file else Remote(url, key).post("/v1/keys", {"name": name, "role": role})
    )
    out.print(json.dumps(made) if as_json else made["key"], highlight=False, markup=False, soft_wrap=True)


@keys.command()
def remove(key_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """From now on nobody may use it."""
    _told(Remote(url, key).delete(f"/v1/keys/{key_id}"), as_json)


async def _add(file: Path, name: str, role: str) -> dict[str, Any]:
    logs.configure("warning", "auto")  # what is printed is the key alone
    settings = config.from_file(file).store
    if not settings.url:
        raise ConfigError(
            str(file), "an embedded Redis belongs to its gateway: name one, or make the key by --url", key="redis.url"
        )
    async with open_store(settings) as store:
        try:
            key_id, made = await store.access.add_key(name, role, time.time())
        except ValueError as error:
            raise ConfigError("--role", str(error)) from error
    return {"id": key_id, "name": name, "role": role, "key": made}


def _show(found: Any, as_json: bool, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if as_json:
        out.print_json(json.dumps(found))
    else:
        _table(columns, rows)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in ("Call", "Began", "State"))
    for row in rows:
        table.add_row(*(one.replace("[", "\\[") for one in row))
    out.print(table)


def _told(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps(answer))
    else:
        out.print(" ".join(f"{name}={value}" for name, value in answer.items()), highlight=False, markup=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _user(uri: str) -> str:
    return uri.partition(":")[2].partition("@")[0] or uri


def _when(epoch: float | None) -> str:
    return datetime.fromtimestamp(epoch).strftime("%Y-%m-%d %H:%M:%S") if epoch else ""


def _talked(record: dict[str, Any]) -> str:
    if not record.get("answered_at"):
        return ""
    seconds = int((record.get("ended_at") or time.time()) - record["answered_at"])
    return f"{seconds // 60}:{seconds % 60:02}"
