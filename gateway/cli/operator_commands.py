"""The commands of who looks after a gateway that runs: `gateway calls`, `call`, `nodes`, `drain`, `bans`,
`override`, `keys`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.remote import Remote, tail
from gateway.errors import ApiError, ConfigError

LOCAL = "http://127.0.0.1:8080"
BEAT_SECONDS = 2.5
"""What a node says of its calls is as old as that: so long there have to be none."""
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
    from gateway.call_record import CallState

    found = Remote(url, key).get("/v1/calls", **query)
    now = time.time()
    rows = [
        (
            short(one["call_id"]),
            _user(one.get("caller", "")),
            _user(one.get("called", "")),
            one.get("agent", ""),
            age(now - (one.get("started_at") or now)),
            _talked(one),
            (one["state"] if one["state"] != CallState.ENDED else one.get("outcome", "")).replace("_", " "),
        )
        for one in found["data"]
    ]
    show_table(found, as_json, ("Call", "Caller", "Called", "Agent", "Age", "Talked", "State"), rows)


def nodes(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """The nodes that share the gateway's Redis."""
    found = Remote(url, key).get("/v1/nodes")
    now = time.time()
    rows = [
        (
            one["id"] + (" *" if one["id"] == found["me"] else ""),
            str(one["calls"]),
            one["sip"],
            age(now - one["started_at"]),
            one["version"],
            "; ".join([*one["problems"], *one["warnings"]]) or "ready",
        )
        for one in found["data"]
    ]
    show_table(found, as_json, ("Node (* asked)", "Calls", "SIP", "Up", "Version", "State"), rows)


def drain(
    node: Annotated[str, typer.Argument(help="Its id, or the beginning; left out: the one asked.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Take calls again.")] = False,
    wait: Annotated[float, typer.Option(help="Return when its calls have ended, or after so many seconds.")] = 0.0,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Have a node take no new calls; those in progress go on.

    With --wait the exit code is 1 where calls are left.
    """
    if off and wait:
        raise ConfigError("--wait", "is for draining, not with --off")
    remote = Remote(url, key)

    def fitting() -> list[dict[str, Any]]:
        found = remote.get("/v1/nodes")
        return [one for one in found["data"] if one["id"].startswith(node or found["me"])]

    chosen = fitting()
    if len(chosen) != 1:
        there = ", ".join(one["id"] for one in chosen or remote.get("/v1/nodes")["data"])
        raise ConfigError("node", f"{node!r} fits {'several' if chosen else 'none'} of: {there}")
    node = chosen[0]["id"]
    _told(remote.post(f"/v1/nodes/{node}/drain", {"on": not off}), as_json)
    until, none_since = time.monotonic() + wait, 0.0
    while wait:
        left, now = sum(one["calls"] for one in fitting()), time.monotonic()
        none_since = 0.0 if left else none_since or now
        if none_since and now - none_since >= BEAT_SECONDS:
            return
        if now >= until and left:
            raise ApiError(node, f"has {left} calls still, after {wait:g} s")
        if now >= until:
            return
        time.sleep(min(0.5, max(0.05, until - now)))


def reload(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Have every node read its file again: agents, trunks, routes, dial plan, certificates. Calls keep what they have.

    The exit code is 2 where a node could not use its file, which leaves all there as it was.
    """
    found = Remote(url, key).post("/v1/reload", {})
    rows = [(one["node"], "as before" if one["problems"] else "reloaded") for one in found["data"]]
    show_table(found, as_json, ("Node", "State"), rows)
    bad = [ConfigError(one["node"], problem) for one in found["data"] for problem in one["problems"]]
    if bad:
        bad[0].more = tuple(bad[1:])
        raise bad[0]


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
    show_table(found, as_json, ("Address", "Account", "Still", "Node", "Why"), rows)


def override(
    hours: Annotated[str, typer.Argument(help="The calendar's name; left out: all are shown.")] = "",
    state: Annotated[str, typer.Argument(help="open or closed; off goes by the calendar again.")] = "",
    until: Annotated[
        str, typer.Option(help="Such as 2026-12-24T18:00, by the calendar's clock; left out: its next change.")
    ] = "",
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Open or close by hand, on all nodes, until a time. Calls in progress stay."""
    from zoneinfo import ZoneInfo

    from gateway.hours import told

    gateway = Remote(url, key)
    if hours and state not in ("open", "closed", "off"):
        raise ConfigError("state", f"{state!r} is none of: open, closed, off")
    if state == "off":
        found = {"data": [gateway.delete(f"/v1/hours/{hours}/override")]}
    elif hours:
        try:
            at = datetime.fromisoformat(until) if until else None
        except ValueError as error:
            raise ConfigError("--until", f"{until!r} is no date and time, such as 2026-12-24T18:00") from error
        zone = next((one["timezone"] for one in gateway.get("/v1/hours")["data"] if one["name"] == hours), "UTC")
        at = at.replace(tzinfo=ZoneInfo(zone)) if at and not at.tzinfo else at
        said = {"open": state == "open", "until": at.timestamp() if at else None}
        found = {"data": [gateway.post(f"/v1/hours/{hours}/override", said)]}
    else:
        found = gateway.get("/v1/hours")
    rows = [
        (
            one["name"],
            "open" if one["open"] else "closed",
            told(one["until_at"], ZoneInfo(one["timezone"])) if one["until_at"] else "",
            one["overridden_by"] or "",
        )
        for one in found["data"]
    ]
    show_table(found, as_json, ("Hours", "State", "Until", "Said by"), rows)


@call.command()
def show(call_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """All that is known of a call."""
    gateway = Remote(url, key)
    found = gateway.get(f"/v1/calls/{gateway.id_of(call_id)}")
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

    gateway = Remote(url, key)
    tail(gateway, gateway.id_of(call_id), print_one)


@call.command()
def hangup(call_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """End a call."""
    _do("hangup", call_id, {}, url, key, as_json)


@call.command()
def transfer(
    call_id: str,
    to: Annotated[str, typer.Argument(help="A number, a sip: or tel: URI, or a target of the agent's.")],
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put the caller through to somebody else."""
    _do("transfer", call_id, {"to": to}, url, key, as_json)


@call.command()
def hold(
    call_id: str,
    off: Annotated[bool, typer.Option("--off", help="Take the caller back.")] = False,
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Put the caller on hold."""
    _do("hold", call_id, {"on": not off}, url, key, as_json)


@call.command()
def say(call_id: str, text: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Have the agent say this."""
    _do("say", call_id, {"text": text}, url, key, as_json)


@call.command()
def update(
    call_id: str,
    agent: Annotated[str, typer.Argument(help="Who is to go on with the call.")],
    url: Url = LOCAL,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Give a call another agent."""
    _do("update", call_id, {"agent": agent}, url, key, as_json)


@keys.command("list")
def list_keys(url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """The API keys, without their secrets."""
    found = Remote(url, key).get("/v1/keys")
    rows = [(one["id"], one["name"], one["role"], _when(one["created_at"])) for one in found["data"]]
    show_table(found, as_json, ("Id", "Name", "Role", "Made"), rows)


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
    if file:
        import asyncio

        made = asyncio.run(_add(file, name, role))
    else:
        made = Remote(url, key).post("/v1/keys", {"name": name, "role": role})
    out.print(json.dumps(made) if as_json else made["key"], highlight=False, markup=False, soft_wrap=True)


@keys.command()
def remove(key_id: str, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """From now on nobody may use it."""
    _told(Remote(url, key).delete(f"/v1/keys/{key_id}"), as_json)


async def _add(file: Path, name: str, role: str) -> dict[str, Any]:
    from gateway import config, logs
    from gateway.store import open_store

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


def _do(verb: str, call_id: str, body: dict[str, Any], url: str, key: str, as_json: bool) -> None:
    gateway = Remote(url, key)
    _told(gateway.post(f"/v1/calls/{gateway.id_of(call_id)}/{verb}", body), as_json)


def show_table(found: Any, as_json: bool, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    if as_json:
        out.print_json(json.dumps(found))
    else:
        _table(columns, rows)


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Numbers and names stay whole on a line of 80 characters; sentences, in the last column, are folded."""
    table = Table(box=None, pad_edge=False, show_header=any(columns))
    for column in columns[:-1]:
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    table.add_column(columns[-1], overflow="fold")
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


def short(call_id: str) -> str:
    """As much of an id as people need; commands take it too."""
    return call_id.removeprefix("call_")[:8]


def age(seconds: float) -> str:
    """In the largest unit that fits."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _talked(record: dict[str, Any]) -> str:
    if not record.get("answered_at"):
        return ""
    seconds = int((record.get("ended_at") or time.time()) - record["answered_at"])
    return f"{seconds // 60}:{seconds % 60:02}"
