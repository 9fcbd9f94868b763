"""`gateway trunks`: what there is and how it is, what a trunk's settings are, and what they would make of a call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gateway.cli.operator_commands import LOCAL, Json, Key, Url, show_table
from gateway.cli.remote import Remote
from gateway.errors import ConfigError, SipParseError

if TYPE_CHECKING:
    from gateway.sip import Trunk

out = Console()
trunks = typer.Typer(help="Trunks: all of them and how they are; show, try, profiles.")
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The gateway's file.")]


@trunks.callback(invoke_without_command=True)
def list_trunks(context: typer.Context, url: Url = LOCAL, key: Key = "", as_json: Json = False) -> None:
    """Trunks of the running gateway: calls, registrations, servers that answer, and what is wrong."""
    if context.invoked_subcommand:
        return
    found = Remote(url, key).get("/v1/trunks")
    rows = []
    for one in found["data"]:
        limit = f" of {one['max_calls']}" if one["max_calls"] else ""
        registered = {None: "-", True: "yes", False: "no"}[one["registered"]]
        rows.append(
            (one["name"], one["profile"], f"{one['calls']}{limit}", registered, _servers(one["nodes"]),
             one["problem"] or "well")
        )  # fmt: skip
    show_table(found, as_json, ("Trunk", "Profile", "Calls", "Registered", "Servers up", "State"), rows)


def _servers(nodes: Mapping[str, Any]) -> str:
    asked = [one for state in nodes.values() for one in state["servers"] if one["up"] is not None]
    return f"{sum(one['up'] for one in asked)} of {len(asked)}" if asked else "-"


@trunks.command("profiles")
def list_profiles(as_json: Json = False) -> None:
    """Carriers, PBXs and platforms that `profile` knows."""
    from gateway.config import trunk_profiles

    found = {name: trunk_profiles.profile(name).title for name in trunk_profiles.names()}
    show_table({"data": found}, as_json, ("Profile", "For"), list(found.items()))


@trunks.command("show")
def show_trunk(name: str, file: ConfigFile, as_json: Json = False) -> None:
    """Every setting of a trunk as it will be, and where it comes from: the file, its profile, or the default."""
    from gateway.config import trunk_profiles

    trunk, row = _trunk(file, name)
    known = trunk_profiles.profile(trunk.profile).settings if trunk.profile else {}
    found = []
    for key, value in _settings(trunk):
        place = "file" if _has(row, key) else f"profile {trunk.profile}" if _has(known, key) else "default"
        found.append((key, value, place))
    rows = [(key, place, _text(value)) for key, value, place in found]
    data = {key: {"value": value, "from": place} for key, value, place in found}
    show_table(data, as_json, ("Setting", "From", "Value"), rows)


@trunks.command("try")
def try_trunk(
    name: str,
    number: Annotated[str, typer.Argument(help="A number to call, such as +4989123456, or a SIP URI.")],
    file: ConfigFile,
    caller_id: Annotated[str, typer.Option(help="The number to show, if not the trunk's.")] = "",
    anonymous: Annotated[bool, typer.Option("--anonymous", help="As a call that hides its caller.")] = False,
    called: Annotated[str, typer.Option(help="A number as they would call it: how it is read.")] = "",
    caller: Annotated[str, typer.Option(help="A number as they would show it: how it is read.")] = "",
    as_json: Json = False,
) -> None:
    """What would be sent for a number: the INVITE, a REFER; and how numbers that come are read. Calls nobody."""
    from gateway import config
    from gateway.bridge import offer_of
    from gateway.sip import AUTO, OutgoingInvite, preview, read_numbers

    trunk, _ = _trunk(file, name)
    settings = config.from_file(file)
    sip = settings.sip
    told = "" if sip.public_host == AUTO else sip.public_host
    host = told or (sip.host if sip.host not in ("0.0.0.0", "::") else "192.0.2.1")
    tls = sip.tls.port if sip.tls else 5061
    port = tls if trunk.server and trunk.server.transport == "tls" else sip.port
    try:
        invite = OutgoingInvite(number, trunk, caller_id, anonymous=anonymous)
        made = preview(invite, offer_of(trunk, settings.bridge), host, port)
        back = read_numbers(called or number, caller or trunk.caller_id or "+15550100", trunk)
    except SipParseError as error:
        raise ConfigError(str(file), error.problem, key=f"trunks.{name}") from error
    if as_json:
        found = {"invite": made.invite, "hop": made.hop, "refer_to": made.refer_to}
        out.print_json(json.dumps(found | {"called": back.called, "caller": back.caller}))
        return
    _say(f"To {made.hop}:\n\n{made.invite}".replace("\r\n", "\n").rstrip())
    _say(f"\nA transfer to it by REFER: Refer-To: <{made.refer_to}>")
    _say(f"A call of theirs to {called or number}: routes see {back.called}")
    _say(f"A call of theirs from {caller or trunk.caller_id or '+15550100'}: agents see {back.caller}")


def _trunk(file: Path, name: str) -> tuple[Trunk, Mapping[str, Any]]:
    """The trunk of that name and its row in the file. Raises ConfigError."""
    import yaml

    from gateway import config
    from gateway.document import read

    known = {trunk.name: trunk for trunk in config.from_file(file).sip.trunks}
    if name not in known:
        raise ConfigError(
            str(file), f"no trunk is called {name!r}; these are: {', '.join(known) or 'none'}", key="trunks"
        )
    rows = (yaml.safe_load(read(file)) or {}).get("trunks", ())
    return known[name], next(row for row in rows if row.get("name") == name)


def _settings(trunk: Trunk) -> list[tuple[str, Any]]:
    """Keys as in the file, with plain values."""
    from gateway.sip import Match, Numbers, TrunkTls

    found: list[tuple[str, Any]] = []
    for one in fields(trunk):
        value = getattr(trunk, one.name)
        if isinstance(value, Match | Numbers | TrunkTls):
            found += [(f"{one.name}.{inner.name}", _plain(getattr(value, inner.name))) for inner in fields(value)]
        elif one.name == "peers":
            found.append(("peers", [*_plain(value), *trunk.peer_names]))
        elif one.name == "credentials":
            found.append(("login", _plain(value)))
        elif one.name not in ("peer_names", "hints"):
            found.append((one.name, _plain(value)))
    return found


def _plain(value: Any) -> Any:
    """Without passwords."""
    from gateway.sip import Credentials, NumberRules

    match value:
        case None:
            return ""
        case bool() | int() | float() | str():
            return value
        case NumberRules():
            return [rule.text for rule in value.rules]
        case Credentials():
            return value.username + (f" (digest: {value.auth_user})" if value.auth_user else "")
        case Mapping():
            return dict(value)
        case tuple() if value and all(isinstance(one, tuple) for one in value):
            return dict(value)
        case tuple():
            return [_plain(one) for one in value]
        case _:
            return str(value)


def _has(row: Mapping[str, Any], key: str) -> bool:
    section, _, inner = key.partition(".")
    value = row.get(section)
    return value is not None and (not inner or (isinstance(value, Mapping) and inner in value))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {one}" for name, one in value.items())
    return str(value)


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)
