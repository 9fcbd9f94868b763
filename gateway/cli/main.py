"""The command line: `gateway demo`, `serve`, `check`, `doctor`, `dial`, `phone`, `local`.

`operator_commands.py`, `trunk_commands.py` and `init_command.py` have the others.

What a command needs is imported when it is run: `gateway --help` and its like answer at once.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gateway import __version__
from gateway.cli import remote
from gateway.cli.init_command import init
from gateway.cli.operator_commands import LOCAL, Json, Key, Url, bans, call, calls, drain, keys, nodes, override, reload
from gateway.cli.trunk_commands import trunks
from gateway.errors import ConfigError, GatewayError, PortInUse

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.config.load import Settings
    from gateway.local import LocalServer

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
out, err = Console(), Console(stderr=True)

SipHost = Annotated[str | None, typer.Option("--sip-host", help="Address for SIP and RTP. [GATEWAY_SIP_HOST]")]
SipPort = Annotated[int | None, typer.Option("--sip-port", help="Port for SIP, UDP and TCP. [GATEWAY_SIP_PORT]")]
HttpHost = Annotated[str | None, typer.Option("--http-host", help="Address for HTTP. [GATEWAY_HTTP_HOST]")]
HttpPort = Annotated[int | None, typer.Option("--http-port", help="Port for HTTP. [GATEWAY_HTTP_PORT]")]
SipTrace = Annotated[bool, typer.Option("--sip-trace", help="Log every SIP message, without credentials.")]
ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="The gateway's file.")]


cli.command()(calls)
cli.command()(nodes)
cli.command()(drain)
cli.command()(bans)
cli.command()(override)
cli.command()(reload)
cli.command()(init)
cli.add_typer(call, name="call")
cli.add_typer(trunks, name="trunks")
cli.add_typer(trunks, name="trunk", hidden=True)  # as people type it
cli.add_typer(keys, name="keys")


def main() -> None:
    """Errors that are meant for people are one line on standard error. The exit code is 2 for settings and options."""
    try:
        cli()
    except GatewayError as error:
        if isinstance(error, PortInUse):
            from gateway.cli.port_holder import holder_of

            error.holder = holder_of(error.port)
        _print_errors(error)
        sys.exit(2 if isinstance(error, ConfigError) else 1)


@cli.callback(invoke_without_command=True)
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version, the commit and those of what matters.")
    ] = False,
) -> None:
    """Puts Realtime voice agents on the telephone."""
    if version:
        from gateway.versions import described

        for line in described():
            _say(line)
        raise typer.Exit


@cli.command()
def demo(
    sip_host: SipHost = None,
    sip_port: SipPort = None,
    http_host: HttpHost = None,
    http_port: HttpPort = None,
    sip_trace: SipTrace = False,
) -> None:
    """A receptionist who answers the telephone on this machine. Needs no account, no key and no network."""
    from gateway import config

    overrides = _overrides(sip_host, sip_port, http_host, http_port, sip_trace)

    def read() -> Settings:
        return config.from_values(config.DEMO, overrides)

    settings = read()
    err.print("starting the receptionist, with a Redis and a Realtime server of its own", style="dim")
    _run(settings, read, _print_demo)


@cli.command()
def serve(
    file: ConfigFile,
    sip_host: SipHost = None,
    sip_port: SipPort = None,
    http_host: HttpHost = None,
    http_port: HttpPort = None,
    sip_trace: SipTrace = False,
) -> None:
    """Answer calls as the file says."""
    from gateway import config

    overrides = _overrides(sip_host, sip_port, http_host, http_port, sip_trace)

    def read() -> Settings:
        return config.from_file(file, overrides)

    _run(read(), read)


@cli.command()
def dial(
    target: Annotated[str, typer.Argument(help="A number at the trunk, such as +15551234567, or a SIP URI.")],
    agent: Annotated[str, typer.Option(help="Who talks with them.")],
    trunk: Annotated[str, typer.Option(help="By which trunk; left out where there is only one.")] = "",
    caller_id: Annotated[str, typer.Option(help="The number to show, if not the trunk's.")] = "",
    ring_seconds: Annotated[float, typer.Option(help="Give up after this long; 0: as the trunk says.")] = 0.0,
    header: Annotated[list[str] | None, typer.Option(help="NAME: VALUE for the INVITE. May be given again.")] = None,
    var: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, {{var.NAME}} in the agent's texts.")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="Show the carrier alone who is calling.")] = False,
    url: Url = LOCAL,
    key: Key = "",
) -> None:
    """Have a running gateway call somebody, and follow the call to its end. The exit code is 0 if they answered."""
    order = {
        "to": target,
        "agent": agent,
        "trunk": trunk,
        "caller_id": caller_id,
        "ring_seconds": ring_seconds,
        "headers": _pairs(header, ":", "--header"),
        "variables": _pairs(var, "=", "--var"),
        "anonymous": anonymous,
    }
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the call does not outlive who asked for it
    answered = remote.dial(remote.Remote(url, key), order, lambda line: out.print(line, highlight=False, markup=False))
    sys.exit(0 if answered else 1)


def _pairs(given: list[str] | None, separator: str, option: str) -> dict[str, str]:
    pairs = [one.partition(separator) for one in given or []]
    if wrong := [name for name, found, _ in pairs if not found or not name.strip()]:
        raise ConfigError(option, f"{wrong[0]!r} is not NAME{separator}VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


@cli.command()
def check(
    file: ConfigFile,
    online: Annotated[
        bool, typer.Option("--online", help="Also try what it names: the same as gateway doctor.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a file and the agents that it names, line by line. Starts nothing."""
    if online:
        _doctor(file, as_json)
    from gateway import config

    try:
        settings = config.from_file(file)
    except ConfigError as error:
        if not as_json:
            raise
        out.print_json(data={"file": str(file), "good": False, "errors": [str(one) for one in (error, *error.more)]})
        sys.exit(2)
    warnings = config.warnings_of(settings)
    if as_json:
        out.print_json(data={"file": str(file), "good": True, "warnings": warnings})
        return
    routes = ", ".join(f"{route.called} to {route.to}" for route in settings.bridge.routes)
    good = f"good, with {len(warnings)} warning{'s' * (len(warnings) > 1)}" if warnings else "good"
    _say(f"{file}: {good}. SIP on {settings.sip.host}:{settings.sip.port}; routes: {routes}")
    for warning in warnings:
        err.print(f"{file}: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


@cli.command()
def hours(
    file: ConfigFile,
    at: Annotated[
        str, typer.Option(help="Such as 2026-12-24T10:00, by each calendar's clock, or with an offset; else now.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Say of each calendar of a file whether it is open, and when that changes."""
    import time
    from datetime import datetime

    from gateway import config
    from gateway.cli.operator_commands import show_table
    from gateway.hours import told

    try:
        wall = datetime.fromisoformat(at) if at else None
    except ValueError as error:
        raise ConfigError("--at", f"{at!r} is no date and time, such as 2026-12-24T10:00") from error
    found, rows = [], []
    for name, one in config.from_file(file).bridge.hours.items():
        then = wall.replace(tzinfo=wall.tzinfo or one.zone) if wall else None
        now = then.timestamp() if then else time.time()
        changes = one.changes_at(now)
        until = told(changes, one.zone) if changes else ""
        is_open = one.open_at(now)
        found.append({"name": name, "at": told(now, one.zone), "open": is_open, "until": until})
        rows.append((name, told(now, one.zone), "open" if is_open else "closed", until))
    if not found:
        raise ConfigError(str(file), "has no calendars", key="hours")
    show_table({"data": found}, as_json, ("Hours", "At", "", "Until"), rows)


@cli.command()
def doctor(file: ConfigFile, as_json: Json = False) -> None:
    """Try all that a file names: Redis, providers, trunks, ports, certificates, folders. Places no call.

    The exit code is 0 where nothing is wrong, 1 where calls would suffer.
    """
    _doctor(file, as_json)


def _doctor(file: Path, as_json: bool) -> None:
    import asyncio

    from gateway import logs
    from gateway.cli.doctor import Finding, examine

    logs.configure("error", "auto")

    def show(one: Finding) -> None:
        if not as_json:
            out.print(f"[{one.color}]{one.sign}[/] ", end="", highlight=False)
            _say(one.line)

    found = asyncio.run(examine(file, show))
    bad = [one for one in found if one.good is False]
    if as_json:
        out.print_json(data={"file": str(file), "good": not bad, "findings": [one.plain() for one in found]})
    else:
        known = sum(one.good is None for one in found)
        more = f"; {known} to know" if known else ""
        _say((f"{len(bad)} of {len(found)} need something done" if bad else f"{len(found) - known} are well") + more)
    sys.exit(1 if bad else 0)


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)


@cli.command()
def phone(
    target: Annotated[str, typer.Argument(help="Who to call, such as sip:reception@127.0.0.1:5060.")],
    say: Annotated[list[str] | None, typer.Option(help="Speak this when the agent pauses. May be given again.")] = None,
    wav: Annotated[Path | None, typer.Option(help="Play this WAV instead of speaking.")] = None,
    dtmf: Annotated[str, typer.Option(help="Press these keys, after what is spoken.")] = "",
    record: Annotated[Path | None, typer.Option(help="Record what is heard, as WAV.")] = None,
    seconds: Annotated[float, typer.Option(help="Hang up after this long at the latest.")] = 60.0,
    after: Annotated[
        float | None, typer.Option(help="Speak this many seconds after the answer, agent or not: to interrupt.")
    ] = None,
    refuse_transfer: Annotated[bool, typer.Option(help="Answer a REFER by 603.")] = False,
    tcp: Annotated[bool, typer.Option(help="Call over TCP.")] = False,
    tls: Annotated[bool, typer.Option(help="Call over TLS, whatever the certificate.")] = False,
    srtp: Annotated[bool, typer.Option(help="Encrypt the media.")] = False,
    caller: Annotated[str, typer.Option(help="The user part of who calls.")] = "phone",
    trace: Annotated[bool, typer.Option(help="Print every SIP message.")] = False,
    talk: Annotated[bool, typer.Option("--talk", help="Use this machine's microphone and loudspeaker.")] = False,
    stack: Annotated[str, typer.Option(help="pjsip, own (the gateway's), or auto: PJSIP where it is.")] = "auto",
    url: Url = LOCAL,
    key: Key = "",
) -> None:
    """A SIP telephone in the terminal. What the agent says is printed."""
    from gateway.phone import PhoneCall, call

    transport = "tls" if tls else "tcp" if tcp else "udp"
    words = tuple(say or ())
    errand = PhoneCall(
        target, words, wav, dtmf, record, seconds, after, refuse_transfer, transport, srtp, caller, trace, talk, stack
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(0 if call(errand, _say, remote.Remote(url, key)) else 1)


@cli.command()
def local(
    agents: Annotated[
        Path | None, typer.Option(help="The folder of the agents' files; else those that come along.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen to.")] = 8090,
    key: Annotated[
        str, typer.Option(envvar="GATEWAY_LOCAL_KEY", show_envvar=True, help="What clients have to show, if anything.")
    ] = "",
    session_seconds: Annotated[float, typer.Option(help="After which a session ends.")] = 3600.0,
    certificate: Annotated[str, typer.Option(help="A PEM file: reached by wss: then.")] = "",
    certificate_key: Annotated[str, typer.Option(help="Its key, where that is another file.")] = "",
) -> None:
    """The embedded Realtime server alone, for clients of that protocol: each agent is a model of its name."""
    import asyncio

    import uvloop

    from gateway import config, logs
    from gateway.agents import BUNDLED, load_agents
    from gateway.app import scripts_of
    from gateway.local import LocalServer, LocalSettings

    found = load_agents(agents or BUNDLED)
    scripts = scripts_of(found, config.chat_keys(found))
    settings = LocalSettings(host, port, key, scripts, session_seconds, certificate, certificate_key)
    if not settings.scripts:
        raise ConfigError(str(agents or BUNDLED), "no agent in it has the provider local")
    logs.configure("info", "auto")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_local(LocalServer(settings), list(scripts)))


async def _serve_local(server: LocalServer, models: list[str]) -> None:
    """Until SIGTERM or Ctrl-C."""
    import asyncio

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    url = await server.listen()
    for model in models:
        out.print(f"{url}?model={model}", highlight=False, soft_wrap=True)
    await stop.wait()
    await server.close()


def _overrides(
    sip_host: str | None, sip_port: int | None, http_host: str | None, http_port: int | None, sip_trace: bool
) -> dict[str, Any]:
    sip = {"host": sip_host, "port": sip_port, "trace": sip_trace or None}
    http = {"host": http_host, "port": http_port}
    given = {
        name: {key: value for key, value in row.items() if value is not None}
        for name, row in (("sip", sip), ("http", http))
    }
    return {name: row for name, row in given.items() if row}


def _run(settings: Settings, read: Callable[[], Settings], announce: Any = None) -> None:
    import asyncio

    import uvloop

    from gateway import logs

    logs.configure(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, read, announce))


async def _serve(settings: Settings, read: Callable[[], Settings], announce: Any) -> None:
    """Until SIGTERM or Ctrl-C, which let the calls in progress end; a second one does not."""
    import asyncio
    import gc

    from gateway import api
    from gateway.app import Gateway

    loop = asyncio.get_running_loop()
    stop, at_once = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (at_once if stop.is_set() else stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled)
    early = asyncio.Event()  # SIGHUP while it starts: the file may have changed since it was read
    loop.add_signal_handler(signal.SIGHUP, early.set)
    async with Gateway(settings) as gateway, api.serve(gateway) as http_port:
        gateway.read = read
        reloads = set[asyncio.Task[list[str]]]()

        def reload() -> None:
            task = loop.create_task(gateway.reload())
            reloads.add(task)
            task.add_done_callback(reloads.discard)

        loop.add_signal_handler(signal.SIGHUP, reload)
        if early.is_set():
            reload()
        gc.collect()
        gc.freeze()  # what is here now stays: to look through it again and again takes 40 ms each time
        if announce:
            announce(gateway, http_port)
        await stop.wait()
        drained = loop.create_task(gateway.drain())
        hurry = loop.create_task(at_once.wait())
        await asyncio.wait({drained, hurry}, return_when=asyncio.FIRST_COMPLETED)
        for task in (drained, hurry):
            task.cancel()


def _print_demo(gateway: Gateway, http_port: int) -> None:
    """The commands can be pasted as they stand, in whatever folder."""
    host, port = _reached(gateway.settings.sip.host), gateway.sip_port
    command, uri = _command(), f"sip:reception@{host}:{port}"
    page = f"http://{_reached(gateway.settings.http.host)}:{http_port}"
    more = f" --url {page}" if page != LOCAL else ""
    text = f"""
[bold]voice-agent-gateway {__version__}[/]: the receptionist answers on {uri} (UDP and TCP).
In a second terminal:

{command} phone {uri} --say "what are your opening hours" --record heard.wav{more}
{command} phone {uri} --say "transfer me to billing"{more}

Who is on the telephone is shown on {page}/

Or with a softphone on this machine: an account without registration, PCMU or PCMA, that calls
{uri}. For one elsewhere: --sip-host with this machine's own address.
Ctrl-C ends it.
"""
    out.print(text, highlight=False, soft_wrap=True)
    for warning in gateway.warnings:
        err.print(f"gateway: {warning}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def _command() -> str:
    """What starts this program from anywhere."""
    here = Path(sys.argv[0]).absolute()
    found = shutil.which("gateway")
    return "gateway" if found and Path(found).samefile(here) else shlex.quote(str(here))


def _reached(host: str) -> str:
    """An address of this machine by which a program on it reaches what listens on `host`."""
    found = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{found}]" if ":" in found else found


def _print_errors(error: GatewayError) -> None:
    for one in (error, *(error.more if isinstance(error, ConfigError) else ())):
        err.print(f"gateway: {one}", style="red", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
