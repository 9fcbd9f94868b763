"""`gateway init`: writes a gateway's file, an agent to begin with, and a file for their secrets."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.errors import ConfigError

out = Console()

NO_TRUNK = "none"
NO_NAT = "own"
NO_REDIS = "none"

COMMANDS = """\
#   gateway check -c {file}                        what is wrong with this file
"""
TRUNK_COMMANDS = """\
#   gateway trunks try {trunk} NUMBER -c {file}    what would be sent for a number, without sending it
#   gateway doctor -c {file}                       tries the trunk: its name, OPTIONS, the login
"""
HEAD = """\
# A gateway for {title}.
# {about}
# What to set there, and what bites: docs/trunks/{name}.md. Every setting of a trunk: docs/trunks.md.
#
"""
HEAD_WITHOUT = """\
# A gateway without a trunk: telephones of this machine and of private networks may call it.
# gateway init --trunk NAME writes one for a carrier or PBX; gateway trunks profiles lists them.
#
"""
SIP = """\
#   gateway serve -c {file}
sip:
  host: 0.0.0.0
"""
NO_PUBLIC_HOST = """\
  # public_host: 203.0.113.10       # this machine's address as the Internet sees it, where that is another one; or auto
"""
DOTENV = """\
# The secrets of {file}, one NAME=VALUE a line. For you alone: it belongs in no repository and no image.
# What the environment has of the same name stands above it.
"""


def gateway_file(
    trunk: str, provider: str = "local", public_host: str = "", redis: str = "", file: str = "gateway.yaml"
) -> str:
    """The file for a profile of trunks, or none, and a provider. Raises ValueError for one that there is none of."""
    from gateway.config.starters import starter
    from gateway.config.trunk_profiles import profile

    tls = trunks = ""
    if trunk:
        known = profile(trunk)
        named = re.search(r"^name: *(\S+)", known.example, re.MULTILINE)
        head = HEAD.format(title=known.title, about=known.proven, name=trunk)
        head += COMMANDS.format(file=file) + TRUNK_COMMANDS.format(file=file, trunk=named[1] if named else "NAME")
        tls = "".join(f"  {line}\n" for line in known.tls.splitlines())
        trunks = f"\ntrunks:\n{_indented(known.example, 4).replace('    ', '  - ', 1)}\n"
    else:
        head = HEAD_WITHOUT + COMMANDS.format(file=file)
    told = f"  public_host: {public_host}\n" if public_host else NO_PUBLIC_HOST
    row = starter(provider).row
    providers = f"\nproviders:\n{_indented(row, 2)}\n" if row else ""
    store = f"\nredis:\n  url: {json.dumps(redis)}\n" if redis else ""
    routes = '\nroutes:\n  - {called: "*", agent: reception}\nagents: agents\n'
    return f"{head}{SIP.format(file=file)}{told}{tls}{trunks}{providers}{store}{routes}"


def _indented(text: str, by: int) -> str:
    return "\n".join(f"{' ' * by}{line}".rstrip() for line in text.strip().splitlines())


def dotenv_file(text: str, file: str = "gateway.yaml") -> str:
    """A place for each secret that a gateway's file names; those that it only names in comments are comments."""
    from gateway.config.starters import secrets_in

    lines = [f"{name}=\n" if needed else f"# {name}=\n" for name, needed in secrets_in(text).items()]
    return DOTENV.format(file=file) + "".join(lines)


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write gateway.yaml, agents/ and .env.")] = Path(),
    trunk: Annotated[
        str | None, typer.Option(help="Who brings the calls: a name of gateway trunks profiles, or none.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Who speaks: local, openai, azure, inworld, xai, or a server of one's own.")
    ] = None,
    company: Annotated[str | None, typer.Option(help="Whom callers reach, as the agent says it.")] = None,
    public_host: Annotated[
        str | None, typer.Option(help="Behind NAT: the address that the Internet sees, or auto; else own.")
    ] = None,
    redis: Annotated[
        str | None, typer.Option(help="Such as redis://127.0.0.1:6379/0; none: one of its own, which forgets.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: what is not given is as it would be.")] = False,
) -> None:
    """Write a gateway's file, an agent, and a place for their secrets. Asks on a terminal what no option says.

    Overwrites nothing.
    """
    from gateway.config import starters, trunk_profiles
    from gateway.store import check_url

    wanted = [folder / "gateway.yaml", folder / "agents" / "reception.yaml", folder / ".env"]
    if there := [path for path in wanted if path.exists()]:
        raise ConfigError(str(there[0]), "is there already, and stays as it is; name another folder")
    ask = not yes and sys.stdin.isatty() and sys.stdout.isatty()

    def asked(option: str, given: str | None, question: str, default: str, check: Callable[[str], object]) -> str:
        """Raises ConfigError for an option; an answer that cannot be is asked for again."""
        if given is None and not ask:
            return default
        while True:
            value = typer.prompt(question, default=default) if given is None else given
            try:
                check(value)
                return value
            except ValueError as error:
                if given is not None:
                    raise ConfigError(option, str(error)) from error
                typer.echo(f"  {error}")

    carriers = f"{NO_TRUNK}, {', '.join(trunk_profiles.names())}"
    trunk = asked(
        "--trunk",
        trunk,
        f"Who brings the calls? A carrier or PBX, or none for telephones of this network\n  ({carriers})\n ",
        NO_TRUNK,
        lambda name: name == NO_TRUNK or trunk_profiles.profile(name),
    )
    provider = asked(
        "--provider",
        provider,
        f"Who speaks? local needs no account\n  ({', '.join(starters.names())})\n ",
        "local",
        starters.starter,
    )
    company = asked(
        "--company",
        company,
        "Whom do callers reach, as the agent says it?\n ",
        starters.COMPANY,
        lambda name: starters.agent_for("local", name),
    )
    public_host = asked(
        "--public-host",
        public_host,
        "Is this machine behind NAT? own: no; auto: find the address that the Internet sees; or that address\n ",
        NO_NAT,
        _check_host,
    )
    redis = asked(
        "--redis",
        redis,
        "Where is Redis? Such as redis://127.0.0.1:6379/0; none: one of its own, which forgets when it ends\n ",
        NO_REDIS,
        lambda url: None if url == NO_REDIS else check_url(url),
    )
    redis = "" if redis == NO_REDIS else redis
    with_password = "@" in redis  # such a URL is a secret, too
    text = gateway_file(
        "" if trunk == NO_TRUNK else trunk,
        provider,
        "" if public_host == NO_NAT else public_host,
        "" if with_password else redis,
    )
    _write(wanted[0], text)
    _write(wanted[1], starters.agent_for(provider, company))
    _write(wanted[2], dotenv_file(text) + (f"GATEWAY_REDIS_URL={redis}\n" if with_password else ""), 0o600)
    file = shlex.quote(str(wanted[0]))
    needed = [name for name, needs in starters.secrets_in(text).items() if needs]
    first = f"put {', '.join(needed)} into {wanted[2]}, then" if needed else "now"
    _say(f"{first}: gateway check -c {file}")
    if trunk == NO_TRUNK:
        _say(f"then: gateway serve -c {file}, and in a second terminal: gateway phone sip:reception@127.0.0.1")
    else:
        _say(f"then: gateway doctor -c {file}, and gateway serve -c {file}")


def _check_host(host: str) -> None:
    """Raises ValueError."""
    from gateway.sip import AUTO

    if host in (NO_NAT, AUTO):
        return
    try:
        ip_address(host)
    except ValueError:
        if not re.fullmatch(r"(?=.*[a-zA-Z])[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+", host):
            raise ValueError(
                f"{host!r} is no address and no host's name; {NO_NAT} and {AUTO} are words for it"
            ) from None


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"cannot be written: {(error.strerror or str(error)).lower()}") from error
    _say(f"wrote {path}")


def _say(line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
