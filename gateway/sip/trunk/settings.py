"""What a trunk is told: every setting with its meaning, its limits and an example. Values alone; who reads which acts.

docs/trunks.md has the same as tables, made from here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from gateway.document import says
from gateway.sip.dialog.session_timer import MIN_SE, PREFERRED
from gateway.sip.message.message import Request
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import Credentials
from gateway.sip.trunk.numbers import NumberRules

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Match:
    """Which of the INVITEs from the addresses of several trunks belong to this one: all that is set has to fit.

    Values are shell patterns (`*`, `?`, `[0-9]`), read without regard to case.
    """

    request_user: Annotated[str, says("the user part of the Request-URI", "+4989*")] = ""
    request_host: Annotated[str, says("the host of the Request-URI", "acme.gateway.example")] = ""
    from_host: Annotated[str, says("the host of From", "sip.carrier.example")] = ""
    headers: Annotated[Mapping[str, str], says("headers by name, and what is in them", {"X-Token": "7KQ2"})] = field(
        default_factory=dict
    )

    def __bool__(self) -> bool:
        return bool(self.request_user or self.request_host or self.from_host or self.headers)

    def fits(self, request: Request) -> bool:
        """Raises SipParseError where From cannot be read."""
        wanted = [
            (self.request_user, request.uri.number),
            (self.request_host, request.uri.host),
            (self.from_host, request.from_.uri.host),
            *((pattern, request.headers.get(name) or "") for name, pattern in self.headers.items()),
        ]
        return all(fnmatchcase(found.strip().lower(), pattern.lower()) for pattern, found in wanted if pattern)


AS_IT_IS = NumberRules()


@dataclass(frozen=True, slots=True)
class Numbers:
    """How numbers are written there; `gateway.sip.trunk.numbers` says what a rule is. None: as they are here."""

    called: Annotated[NumberRules, says("the number that we call: Request-URI and To", ["+49* -> 0*", "+* -> 00*"])] = (
        AS_IT_IS
    )
    caller: Annotated[NumberRules, says("our number: From", ["+* -> *"])] = AS_IT_IS
    identity: Annotated[
        NumberRules,
        says(
            "our number in P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID, display name, Diversion and "
            "History-Info; without rules those of `caller`",
            ["+* -> *"],
        ),
    ] = AS_IT_IS
    refer_to: Annotated[NumberRules, says("whom a REFER names; without rules those of `called`", ["+49* -> 0*"])] = (
        AS_IT_IS
    )
    called_in: Annotated[
        NumberRules, says("the number that was called by them", ["00* -> +*", "0[1-9]* -> +49*", "* -> *"])
    ] = AS_IT_IS
    caller_in: Annotated[NumberRules, says("the number of who calls", ["00* -> +*", "0[1-9]* -> +49*", "* -> *"])] = (
        AS_IT_IS
    )


@dataclass(frozen=True, slots=True)
class TrunkTls:
    """TLS to and from this trunk, where it is other than `sip.tls`. Files are PEM."""

    certificate: Annotated[str, says("the certificate with its chain that we show", "teams.pem")] = ""
    key: Annotated[str, says("its key", "teams.key")] = ""
    ca: Annotated[str, says("whom to trust instead of the system's list", "digicert.pem")] = ""
    ciphers: Annotated[
        str, says("of TLS 1.2, as OpenSSL writes them; others are not offered", "AES128-SHA256:AES256-SHA256")
    ] = ""
    server_name: Annotated[
        str, says("the name that the server's certificate has to bear, where it is not the host", "sbc.example.com")
    ] = ""
    client_certificate: Annotated[
        Literal["", "required"],
        says(
            "required: who connects from its addresses has to show a certificate that `ca` vouches for, be it one for "
            "servers only",
            "required",
        ),
    ] = ""
    client_names: Annotated[
        tuple[str, ...],
        says("of which that certificate has to bear one; a * stands for one label", ["*.pstnhub.microsoft.com"]),
    ] = ()


Header = Literal["request_uri", "to", "p_called_party_id", "diversion", "history_info"]
CallerHeader = Literal["from", "p_asserted_identity", "p_preferred_identity", "remote_party_id"]
Identity = Literal["from", "display_name", "p_asserted_identity", "p_preferred_identity", "remote_party_id"]


@dataclass(frozen=True, slots=True)
class Trunk:
    """A way in, a way out, or both."""

    name: Annotated[str, says("what routes, records and metrics call it", "acme", min_length=1)]

    # who may call
    peers: Annotated[tuple[Network, ...], says("addresses and networks that may call", ["203.0.113.0/24"])] = ()
    peer_names: Annotated[
        tuple[str, ...],
        says("hosts that may call; SRV records and addresses are looked up each minute", ["sip.carrier.example"]),
    ] = ()
    users: Annotated[
        tuple[Credentials, ...],
        says(
            "rows of `username`, `password_env`: who may call from anywhere by logging in, and register a telephone",
            [{"username": "ann", "password_env": "ANN_PASSWORD"}],
        ),
    ] = ()
    match: Annotated[
        Match, says("which INVITEs are this trunk's, where several have the same addresses", {"from_host": "a.example"})
    ] = Match()
    max_calls: Annotated[int, says("calls at once, both directions together, else 503; 0: no limit", 100, ge=0)] = 0
    calls_per_second: Annotated[float, says("new calls, both directions, else 503; 0: no limit", 5, ge=0)] = 0.0

    profile: Annotated[
        str, says("a known carrier or PBX, whose defaults are taken: `gateway trunks profiles`", "twilio")
    ] = ""
    hints: Annotated[
        tuple[tuple[str, int | None, str], ...],
        says("what answers of its servers mean: method, status (None: any refusal), words; of the profile", ()),
    ] = ()

    # where calls go
    server: Annotated[
        Uri | None,
        says(
            "where calls go, by NAPTR, SRV and address; the next server is asked when one says 503 or nothing for 4 s, "
            "never once it rang",
            "sip:sip.carrier.example;transport=tls",
        ),
    ] = None
    backup_servers: Annotated[
        tuple[Uri, ...], says("tried in this order where none of `server` takes the call", ["sip:sip2.carrier.example"])
    ] = ()
    proxy: Annotated[Uri | None, says("goes there instead; with `;lr` as a Route", "sip:edge.carrier.example;lr")] = (
        None
    )
    options_ping_seconds: Annotated[
        float,
        says(
            "an OPTIONS to each server so often; one that does not answer, or says 503, is skipped until it does; "
            "0: none",
            30,
            ge=0,
            le=3600,
        ),
    ] = 0.0
    ring_seconds: Annotated[float, says("after which a call that nobody answers is cancelled", 45, gt=0, le=600)] = 60.0
    redirects: Annotated[int, says("3xx that are followed", 2, ge=0, le=10)] = 0

    # who we are there
    credentials: Annotated[
        Credentials | None,
        says(
            "`login` in the file: `username`, `password_env`, and `auth_user` where the digest wants another name; "
            "answers 401 and 407",
            {"username": "301", "auth_user": "x7Kq", "password_env": "ACME_PASSWORD"},
        ),
    ] = None
    register_seconds: Annotated[
        int,
        says("registers with the server for so long and keeps it up; the server may call then", 300, ge=0, le=86400),
    ] = 0
    contact_user: Annotated[
        str,
        says(
            "the user part of our Contact, which is where a registrar sends calls; else that of the login, or gateway",
            "+4989123",
        ),
    ] = ""
    contact_host: Annotated[
        str, says("the host of our Contact, where a name is wanted and not an address", "sbc.acme.example")
    ] = ""
    domain: Annotated[str, says("the host part of From and To; else the server's", "acme.example")] = ""
    from_domain: Annotated[str, says("that of From and of identity headers alone", "acme.example")] = ""
    to_domain: Annotated[str, says("that of Request-URI and To alone", "NAME.pstn.twilio.com")] = ""
    from_user: Annotated[
        str,
        says("the user part of From where the caller ID is not (`identity`); else that of the login", "1234567t0"),
    ] = ""

    # numbers and names
    caller_id: Annotated[
        str, says("who is calling where nobody is named: a number, or `Acme <+15550100>`", "+15550100")
    ] = ""
    identity: Annotated[
        tuple[Identity, ...],
        says("where the caller ID goes", ["p_preferred_identity", "display_name"]),
    ] = ("from",)
    anonymous: Annotated[
        tuple[Literal["from", "privacy"], ...],
        says("how a call hides its caller: an anonymous From, the header Privacy, or both", ["privacy"]),
    ] = ("from", "privacy")
    diversion: Annotated[
        tuple[Literal["diversion", "history_info"], ...],
        says("headers that say, on the call to the target of a transfer, which number was called", ["diversion"]),
    ] = ()
    numbers: Annotated[Numbers, says("rules for numbers, see below", {"called": ["+* -> 00*"]})] = Numbers()
    user_phone: Annotated[bool, says("`;user=phone` after each number that is sent", True)] = False
    called_in: Annotated[
        tuple[Header, ...],
        says("where the called number of an INVITE is; the first that is there counts", ["p_called_party_id", "to"]),
    ] = ("request_uri",)
    caller_in: Annotated[
        tuple[CallerHeader, ...],
        says("where its caller is", ["p_asserted_identity", "from"]),
    ] = ("from",)
    headers: Annotated[tuple[tuple[str, str], ...], says("added to every INVITE", {"X-Account": "7"})] = ()

    # how calls are answered and kept
    answer: Annotated[
        Literal["ready", "at_once", "early"],
        says(
            "ready: 180, and 200 when the agent has its session; at_once: 200 first, the agent comes after it; early: "
            "183 with SDP and a ringing tone, then as ready",
            "at_once",
        ),
    ] = "ready"
    answer_after_seconds: Annotated[float, says("for which it rings at least", 2, ge=0, le=60)] = 0.0
    prack: Annotated[
        Literal["off", "supported", "required"],
        says("reliable provisional responses (100rel): not spoken, spoken where the peer wants them, asked for", "off"),
    ] = "supported"
    session_seconds: Annotated[int, says("of the session timer that we ask for; 0: none", 900, ge=0)] = PREFERRED
    session_min_seconds: Annotated[
        int, says("the shortest session timer that we take, else 422 (Min-SE)", 120, ge=MIN_SE)
    ] = MIN_SE
    session_refresher: Annotated[
        Literal["auto", "us", "them"], says("who refreshes the session, where it is for us to say", "them")
    ] = "auto"

    # transfers
    transfer: Annotated[
        Literal["refer", "bridge", "auto"],
        says(
            "refer, bridge (the gateway calls the target itself and joins the two), auto (bridge where REFER is "
            "refused)",
            "bridge",
        ),
    ] = "auto"
    refer_to: Annotated[
        str,
        says(
            "how a REFER names a number, with {number} and {domain} (that of To, else the peer's host); `sip:` and "
            "`sips:` URIs go as they are; else `sip:{number}@{domain};user=phone`",
            "tel:{number}",
        ),
    ] = ""
    refer_headers: Annotated[
        tuple[tuple[str, str], ...],
        says(
            "headers for the call to the target, put into Refer-To, with {call_id}, {caller}, {called}, {summary}, "
            "and {summary:hex} and so on for hexadecimal",
            {"User-to-User": "{summary:hex};encoding=hex"},
        ),
    ] = ()
    bridge_caller_id: Annotated[
        Literal["own", "caller"], says("whose number the target of a bridged transfer sees", "caller")
    ] = "own"
    bridge_trunk: Annotated[
        str, says("by which trunk the target is called then; else as `dial_plan` says, else this one", "carrier-out")
    ] = ""
    follow_refer: Annotated[
        bool,
        says(
            "whether a REFER of the trunk's is followed: its target, an address of the trunk's own, is called and "
            "takes the caller's place with the agent; else 603",
            True,
        ),
    ] = False

    # media and encryption
    codecs: Annotated[tuple[str, ...], says("instead of those of `media`", ["PCMA"])] = ()
    ptime_ms: Annotated[Literal[0, 10, 20, 30, 40, 60], says("what it is asked to send, instead of `media`'s", 30)] = 0
    srtp: Annotated[
        Literal["", "off", "optional", "required"],
        says(
            "off: plain RTP, and SRTP is refused; required: SAVP both ways, and plain RTP is refused (488); optional: "
            "callers may have either, and calls out offer plain RTP with keys, for who can to take (RFC 8643); empty: "
            "as `media.srtp`",
            "required",
        ),
    ] = ""
    dtmf: Annotated[
        Literal["rtp", "info", "inband"],
        says("how keys go: telephone-event (RFC 4733), INFO, or tones within the audio, both ways", "info"),
    ] = "rtp"
    nat: Annotated[
        Literal["auto", "on", "off"],
        says(
            "auto: where SIP shows that the peer is behind one, requests go back the way that its own came, and media "
            "to where its media comes from, within the trunk's addresses; on: always, and from anywhere; off: never",
            "on",
        ),
    ] = "auto"
    media_peers: Annotated[
        tuple[Network, ...], says("networks that media may come from and go to, beside `peers`", ["198.51.100.0/24"])
    ] = ()
    tls: Annotated[TrunkTls, says("instead of `sip.tls`, see below", {"ca": "pbx-ca.pem"})] = TrunkTls()

    @property
    def to_host(self) -> str:
        """Of Request-URI and To; empty where only the flow says it."""
        return self.to_domain or self.domain or (self.server.host if self.server else "")

    @property
    def from_host(self) -> str:
        """Of From; empty where only the flow says it."""
        return self.from_domain or self.domain or (self.server.host if self.server else "")

    @property
    def user(self) -> str:
        """Who we are there: the account, or empty."""
        return self.from_user or (self.credentials.username if self.credentials else "")

    @property
    def has_tls(self) -> bool:
        """Connections to it are not as `sip.tls` says."""
        return self.tls != TrunkTls()

    @property
    def receives(self) -> bool:
        """Calls may come by it without a registration of ours."""
        return bool(self.peers or self.peer_names or self.users)

    def hint(self, method: str, status: int) -> str:
        """What is known of such an answer, 0 for none; empty where nothing is."""
        found = (words for asked, known, words in self.hints if asked == method and known in (status, None))
        return next(found, "")

    def explained(self, method: str, status: int, problem: str) -> str:
        """`problem` with what is known of such an answer."""
        hint = self.hint(method, status)
        return f"{problem}: {hint}" if hint else problem

    def refers_to(self, target: Uri, peer: str) -> bool:
        """Whether a REFER of this trunk's, which came from the host `peer`, may make us call `target`."""
        if not self.follow_refer or target.scheme not in ("sip", "sips", "tel"):
            return False
        own = {peer, self.domain, self.to_domain, self.server.host if self.server else peer} - {""}
        return target.scheme == "tel" or target.host in own or self.includes(address_of(target.host))

    def includes(self, address: Address | None) -> bool:
        """Whether it is one of its peers'."""
        return address is not None and any(address in network for network in self.peers)


GROUPS = {
    "Who may call": ("name", "hints"),
    "Where calls go": ("server", "redirects"),
    "Who we are there": ("credentials", "from_user"),
    "Numbers and names": ("caller_id", "headers"),
    "How calls are answered and kept": ("answer", "session_refresher"),
    "Transfers": ("transfer", "follow_refer"),
    "Media and encryption": ("codecs", "tls"),
}
"""Of the settings above: the first and the last of each group."""


def address_of(host: str) -> Address | None:
    """None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
