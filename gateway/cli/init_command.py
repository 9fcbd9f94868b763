"""`gateway init`: writes a gateway's file and an agent to begin with, for a trunk of a known kind."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.errors import ConfigError

out = Console()

HEAD = """\
# A gateway for {title}.
# {about}
# What to set there, and what bites: docs/trunks/{name}.md. Every setting of a trunk: docs/trunks.md.
#
#   gateway check -c {file}                        what is wrong with this file
#   gateway trunks try {trunk} NUMBER -c {file}    what would be sent for a number, without sending it
#   gateway doctor -c {file}                       tries the trunk: its name, OPTIONS, the login
#   gateway serve -c {file}
sip:
  host: 0.0.0.0
  # public_host: 203.0.113.10       # this machine's address as the Internet sees it, where that is another one
"""

REST = """
routes:
  - {{called: "*", agent: reception}}
agents: agents
"""

AGENT = """\
# The agent that comes along needs no account: `gateway phone` and any caller can try it. docs/agents.md has all keys;
# docs/providers.md says what to write for OpenAI, Azure, Inworld and xAI.
provider: local
instructions: You answer the telephone of a small company.
greeting: Good day. How may I help you?
transcription: {model: local}
local:
  rules:
    - hears: what are your opening hours
      says: We are open from eight to six.
    - hears: goodbye
      says: Goodbye.
      calls: hang_up
tools: [hang_up]
"""


def gateway_file(name: str, file: str = "gateway.yaml") -> str:
    """The file for a profile. Raises ValueError for one that there is none of."""
    from gateway.config.trunk_profiles import profile

    known = profile(name)
    row = "\n".join(f"    {line}".rstrip() for line in known.example.strip().splitlines())
    trunk = re.search(r"^name: *(\S+)", known.example, re.MULTILINE)
    tls = "".join(f"  {line}\n" for line in known.tls.splitlines())
    head = HEAD.format(title=known.title, about=known.proven, name=name, file=file, trunk=trunk[1] if trunk else "NAME")
    return f"{head}{tls}\ntrunks:\n{row.replace('    ', '  - ', 1)}\n{REST.format()}"


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write gateway.yaml and agents/.")] = Path(),
    trunk: Annotated[str, typer.Option(help="A profile: gateway trunks profiles lists them.")] = "",
) -> None:
    """Write a gateway's file for a trunk of a known kind, and an agent to begin with. Overwrites nothing."""
    from gateway.config.trunk_profiles import names

    if not trunk:
        raise ConfigError("--trunk", f"is missing; there are: {', '.join(names())}")
    try:
        text = gateway_file(trunk)
    except ValueError as error:
        raise ConfigError("--trunk", str(error)) from error
    wanted = {folder / "gateway.yaml": text, folder / "agents" / "reception.yaml": AGENT}
    if there := [path for path in wanted if path.exists()]:
        raise ConfigError(str(there[0]), "is there already, and stays as it is; name another folder")
    for path, content in wanted.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise ConfigError(str(path), f"cannot be written: {(error.strerror or str(error)).lower()}") from error
        out.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    variables = sorted(set(re.findall(r"^[^#\n]*password_env: (\w+)", text, re.MULTILINE)))
    first = f"set {', '.join(variables)} in the environment, then" if variables else "now"
    out.print(f"{first}: gateway check -c {folder / 'gateway.yaml'}", highlight=False, markup=False, soft_wrap=True)
