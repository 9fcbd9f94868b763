"""The gateway's file, section by section: every key with its meaning, its limits and its default.

docs/configuration.md has the same as tables, made from here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.bridge import by_price
from gateway.codecs import CODECS
from gateway.config.delivery import Hours, Records, WebhookRow
from gateway.config.hours import Goal, HoursRow
from gateway.config.http import Http, Port
from gateway.config.menus import Mail, MailboxRow, MenuRow, TranscriptionRow
from gateway.config.prompts import PromptRow, SpeechRow
from gateway.config.providers import RealtimeProvider
from gateway.config.sip import TrunkRow
from gateway.destinations import Destination
from gateway.document import Section, says
from gateway.outcomes import RETRY_AFTER
from gateway.sip import STUN_SERVERS
from gateway.store import check_url

PREFIX = "GATEWAY_"
"""Of the variables of the environment that stand above the file: `GATEWAY_SIP_PORT` above `sip.port`."""


class Tls(Section):
    """PEM files, named as seen from the gateway's file. `ca` holds whom to trust instead of the system's list."""

    certificate: Annotated[Path, says("a PEM file, which is also shown to servers that are called")]
    key: Annotated[Path, says("its key, a PEM file")]
    port: Annotated[Port, says("where TLS is listened to")] = 5061
    ca: Annotated[Path | None, says("whom to trust instead of the system's list")] = None
    client_certificates: Annotated[bool, says("whether who connects has to show a certificate; needs `ca`")] = False

    @model_validator(mode="after")
    def _check(self) -> Tls:
        if self.client_certificates and self.ca is None:
            raise ValueError("client_certificates needs a ca that vouches for them")
        return self


class Listener(Section):
    """One more address for SIP; TLS is listened to on `sip.tls.port` of it too."""

    host: Annotated[str, says("a further address to listen on, IPv6 among them")]
    port: Annotated[Port, says("for SIP over UDP and TCP")] = 5060
    public_host: Annotated[str, says("as `sip.public_host`, for this address")] = ""


class Sip(Section):
    """Where SIP is listened to, on UDP and TCP. `public_host` is the address that peers reach us at, behind NAT;
    `auto` asks `stun_servers`."""

    host: Annotated[str, says("the address where SIP is listened to; 0.0.0.0: on all")] = "127.0.0.1"
    port: Annotated[Port, says("for SIP over UDP and TCP")] = 5060
    public_host: Annotated[
        str,
        says(
            "the address that peers are told, behind NAT; empty: `sip.host`, or that of the route to each. `auto`: "
            "what a STUN server sees, asked at the start and every five minutes; one that was found so is told to the "
            "Internet alone, and peers in private networks are told that of the route to them"
        ),
    ] = ""
    tls: Tls | None = None
    stun_servers: Annotated[
        tuple[str, ...], says("`host:port` of STUN servers; the first that answers is believed", min_length=1)
    ] = STUN_SERVERS
    nameservers: Annotated[
        tuple[str, ...],
        says("`address:port` of name servers for NAPTR, SRV and addresses; none: the system's", ["192.0.2.53:53"]),
    ] = ()
    trace: Annotated[bool, says("every SIP message into the log, without credentials; also `--sip-trace`")] = False
    trace_calls: Annotated[
        int,
        says("the latest calls of which the SIP messages are remembered, for `/v1/calls/{id}/sip`", ge=0, le=10000),
    ] = 100
    realm: Annotated[
        str, says("what users' passwords are for (their telephones show it); empty: `sip.public_host`, or `sip.host`")
    ] = ""
    open: Annotated[
        bool, says("without trunks: whether everybody may call, not only this machine and private networks")
    ] = False
    calls_per_second: Annotated[
        float,
        says("new calls of callers of no trunk together, else 503 with Retry-After; 0: no limit", ge=0),
    ] = 50.0
    max_calls: Annotated[int, says("calls at once of this node, else 503 with Retry-After; 0: no limit", ge=0)] = 500
    max_setups: Annotated[
        int,
        says("calls that came in and are not answered yet; beyond them the node is overloaded, and says 503", ge=1),
    ] = 300
    also: tuple[Listener, ...] = ()
    unknown_peers: Annotated[
        Literal["refuse", "ignore"], says("whether who is of no trunk is refused (403), or hears nothing")
    ] = "refuse"
    retry_after: Annotated[
        dict[Literal[tuple(RETRY_AFTER)], Annotated[int, Field(ge=0, le=86400)]],  # type: ignore[valid-type]
        says(
            "seconds that a refusal tells the caller to wait, by reason; 0: no word about it. Unless said otherwise "
            + ", ".join(f"`{reason}` {seconds}" for reason, seconds in RETRY_AFTER.items()),
            {"node_busy": 30},
        ),
    ] = {}  # noqa: RUF012

    @field_validator("nameservers")
    @classmethod
    def _check_nameservers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in names if not re.fullmatch(r"[0-9a-fA-F.:]+:\d{1,5}", one)]:
            raise ValueError(f"not an address with a port, such as 192.0.2.53:53: {wrong[0]!r}")
        return names

    @field_validator("stun_servers")
    @classmethod
    def _check_stun_servers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [one for one in names if not re.fullmatch(r"[^\s:]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}", one)]:
            raise ValueError(f"not a host with a port, such as {STUN_SERVERS[0]}: {wrong[0]!r}")
        return names


class Media(Section):
    """RTP ports, and how audio travels: codecs by preference, ms of audio in one event to the provider."""

    host: Annotated[str, says("where RTP is received; empty: as `sip.host`")] = ""
    public_host: Annotated[
        str,
        says(
            "the address that SDP names, where media is reached at another one than SIP (behind a SIP proxy in one's "
            "own network); `auto` as for SIP; empty: as `sip.public_host`"
        ),
    ] = ""
    first_port: Annotated[
        Port, says("RTP ports: one even port a call, and RTCP above it, rested for 30 s afterwards")
    ] = 20000
    last_port: Annotated[Port, says("the last of them")] = 29999
    reorder_ms: Annotated[int, says("how long a missing packet is waited for, in ms", ge=0, le=500)] = 40
    timeout_seconds: Annotated[
        float,
        says(
            "a call that is not held and of which nothing came for so long, not even comfort noise, RTCP, STUN or "
            "keys, is ended; 0: never",
            ge=0,
        ),
    ] = 60.0
    chunk_ms: Annotated[int, says("ms of the caller's audio in one event to the provider", ge=20, le=100)] = 20
    codecs: Annotated[
        tuple[str, ...],
        says(
            f"by preference, of {', '.join(CODECS)} (G722 is wideband, for 30 us more of CPU a frame); the caller's "
            "preference comes first"
        ),
    ] = ("PCMU", "PCMA")
    ptime_ms: Annotated[
        Literal[10, 20, 30, 40, 60],
        says("ms of the packets that callers are asked to send; what they get is for them to say"),
    ] = 20
    srtp: Annotated[
        Literal["off", "optional", "required"],
        says("keys by SDES: what each means is in [trunks](trunks.md#encryption)"),
    ] = "optional"
    hold_audio: Annotated[
        Path | None, says("a WAV of 16 bits that is played to who is on hold; none: a quiet tune of our own")
    ] = None
    echo_guard: Annotated[bool, says("keeps the agent's own words, which a line may send back, from the agent")] = True
    comfort_noise_dbm0: Annotated[
        float | None,
        says(
            "level of the noise that is sent while the agent is silent, in dBm0; none: digital silence",
            -65.0,
            ge=-80,
            le=-30,
        ),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Media:
        if self.last_port < self.first_port:
            raise ValueError("last_port is below first_port")
        if unknown := [name for name in self.codecs if name not in CODECS]:
            raise ValueError(f"there is no codec {', '.join(unknown)}; these are: {', '.join(CODECS)}")
        if not self.codecs:
            raise ValueError("codecs is empty")
        return self


class Redis(Section):
    """An empty url starts an embedded Redis."""

    url: Annotated[
        str,
        says(
            "`redis://`, `rediss://`, `unix://`, `redis+sentinel://host:port,host:port/name`, "
            "`redis+cluster://host:port,...` (both also `rediss+`); empty starts an embedded one, which forgets when "
            "the gateway ends",
            "redis://127.0.0.1:6379/0",
        ),
    ] = ""
    keep_seconds: Annotated[int, says("how long an ended call's record stays in Redis", ge=1)] = 86400

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if url:
            check_url(url)
        return url


class Recordings(Section):
    """The folder for recordings, and for how many days they stay; 0: for ever."""

    folder: Annotated[
        Path | None,
        says(
            "where recordings go; `recordings: DIR` is short for it. Agents say what is recorded",
            "/var/lib/gateway/rec",
        ),
    ] = None
    keep_days: Annotated[float, says("days after which they are deleted; 0: never", ge=0)] = 0.0


def _folder_alone(value: Any) -> Any:
    """`recordings: DIR` is short for its folder."""
    return {"folder": value or None} if isinstance(value, str | Path) else value


class McpRow(Section):
    """A `command` to start, with variables of the environment that `env` names by those that hold them; or a `url`."""

    command: Annotated[
        tuple[str, ...], says("an MCP server to start, and its arguments; see [agents](agents.md)", ["mcp-server-time"])
    ] = ()
    env: Annotated[
        dict[str, str], says("variables for it, by the names of those that hold them", {"TOKEN": "CRM_TOKEN"})
    ] = Field(default={})
    url: Annotated[
        str, says("or the URL of one (streamable HTTP)", "https://crm.example/mcp", pattern=r"^(https?://[^\s]+)?$")
    ] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> McpRow:
        if bool(self.command) == bool(self.url):
            raise ValueError("either a command or a url")
        return self


class RouteRow(Section):
    called: Annotated[
        str,
        says(
            "a pattern (`*`, `?`, `[0-9]`) on the called number, as its trunk reads it (`called_in`, `numbers`); the "
            "first row that fits answers",
            "+4930*",
        ),
    ] = "*"
    agent: Annotated[str, says("who answers: the name of its file; short for `to: agent:NAME`", "reception")] = ""
    to: Annotated[
        Goal | None, says("or where else the call goes; see [destinations](menus.md#destinations)", "menu:main")
    ] = None
    otherwise: Annotated[
        Goal | None,
        says(
            "where who cannot be taken there goes: the agent has as many calls as it may, no provider answers, nobody "
            "picks up",
            "voicemail:office",
        ),
    ] = None
    trunk: Annotated[str, says("a pattern on the name of the trunk")] = "*"
    attestation: Annotated[
        str, says("a pattern on what a STIR/SHAKEN token claims (A, B, C; as it is, not verified)", "[AB]")
    ] = "*"
    hours: Annotated[
        str,
        says(
            "a calendar of `hours` that has to be open; with `!` before it, closed",
            "office",
            pattern=r"^(!?[A-Za-z0-9_-]+)?$",
        ),
    ] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> RouteRow:
        if bool(self.agent) == (self.to is not None):
            raise ValueError("either an agent, or where else the call goes: to")
        return self

    @property
    def goal(self) -> Destination:
        return self.to or Destination("agent", self.agent)


def _by_price(value: Any) -> Any:
    """`{cheap: 0.8, dear: 1.2}` is the names by their prices."""
    return by_price(value) if isinstance(value, dict) else value


class DialPlanRow(Section):
    """`trunks` in the order in which they are tried, or each with its price, of which the cheapest is tried first."""

    called: Annotated[
        str, says("a pattern on the number that is called; see [trunks](trunks.md)", "+49*", min_length=1)
    ]
    trunks: Annotated[
        tuple[str, ...],
        BeforeValidator(_by_price),
        says(
            "their names, in the order in which they are tried, or each with its price", ["acme", "spare"], min_length=1
        ),
    ]


class Log(Section):
    """`format: auto` is for people on a terminal and JSON elsewhere. `transcripts` puts what is said into the log."""

    level: Annotated[Literal["debug", "info", "warning", "error"], says("what is logged, and all above it")] = "info"
    format: Annotated[
        Literal["auto", "json", "console"], says("auto: for people on a terminal, and JSON elsewhere")
    ] = "auto"
    transcripts: Annotated[bool, says("whether what is said goes into the log")] = False


class GatewayFile(BaseSettings):
    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="_", env_nested_max_split=1
    )

    sip: Sip = Sip()
    http: Http = Http()
    media: Media = Media()
    redis: Redis = Redis()
    agents: Annotated[
        Path | None,
        BeforeValidator(lambda value: value or None),
        says("the folder of the agents' files; it has to be there", "agents"),
    ] = None
    providers: dict[str, RealtimeProvider] = {}
    mcp: dict[str, McpRow] = {}
    speech: dict[str, SpeechRow] = {}
    prompts: dict[str, PromptRow] = {}
    prompt_folder: Annotated[
        Path | None,
        says("where speech that was made is kept, by its content; none: in memory alone", "/var/lib/gateway/prompts"),
    ] = None
    trunks: tuple[TrunkRow, ...] = ()
    hours: dict[str, HoursRow] = {}
    menus: dict[str, MenuRow] = {}
    voicemail: dict[str, MailboxRow] = {}
    transcription: dict[str, TranscriptionRow] = {}
    mail: Mail | None = None
    routes: tuple[RouteRow, ...] = ()
    dial_plan: tuple[DialPlanRow, ...] = ()
    recordings: Annotated[Recordings, BeforeValidator(_folder_alone)] = Recordings()
    webhooks: tuple[WebhookRow, ...] = ()
    records: Records = Records()
    delivery_hours: Annotated[Hours, says("after which a webhook or record that nobody takes is given up")] = 24.0
    log: Log = Log()
    drain_seconds: Annotated[float, says("how long calls may go on after SIGTERM", ge=0)] = 60.0
    node: Annotated[
        str,
        says(
            "this node's name, the host's if empty; each run of it adds eight characters",
            pattern=r"^[A-Za-z0-9._-]{0,64}$",
        ),
    ] = ""
