"""Every error that this project raises on purpose: what happened, to what, and what to do about it.

    GatewayError
    ├── ConfigError            a file or variable says something that cannot be
    ├── ApiError               what a gateway answers that was asked over HTTP
    ├── PortInUse              a listening address is taken
    ├── SipError
    │   ├── SipParseError      bytes that are not a SIP message (RFC 3261 section 7)
    │   └── SdpError           a body that is not SDP (RFC 8866)
    ├── CallRefused            a call that is not taken; each kind has its own SIP response
    │   ├── NoRoute            nobody answers for the called number
    │   ├── NoCommonCodec      the offer holds nothing that is spoken here
    │   ├── NoMediaPort        every RTP port is lent
    │   ├── NoFileDescriptor   the process has as many sockets and files open as it may
    │   ├── MediaAddressRefused  an address that media cannot or must not be sent to
    │   ├── AgentBusy          an agent has as many calls as it may
    │   ├── NoSuchAgent        an order names an agent that is not there
    │   ├── NoSuchTrunk        an order names a trunk that is not there
    │   ├── NotLoggedIn        a user without a telephone
    │   ├── TrunkBusy          a trunk has as many calls as it may
    │   ├── ApplicationSilent  a program that was to accept the call did not
    │   └── Draining           the node is going away
    ├── ProviderError          the Realtime provider
    │   ├── ProviderUnreachable  no socket, or a socket that closed
    │   └── ProviderRefused      a key, model or session that it does not take
    ├── StoreUnavailable       Redis is away
    ├── NodeSilent             a node that does not answer another
    ├── NoSuchCall             a command names a call that is not in progress
    ├── WrongState             a command that a call cannot carry out as it stands
    ├── BadCommand             a command that says something that cannot be
    └── ToolError              a tool call that the model has to hear about

`gateway.bridge.reasons` says which SIP response and which outcome each of them becomes.
"""

from __future__ import annotations

import os
import re


def plain(error: BaseException) -> str:
    """What a failed connection or file says of itself, without the system's numbers and Python's words."""
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and isinstance(number, int) and number > 0 and "Connect call" in str(error):
        return os.strerror(number).lower()
    return _without_numbers(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _without_numbers(text: str) -> str:
    if found := re.search(r"Error (\d+) connecting to", text):  # redis-py's
        return os.strerror(int(found[1])).lower()
    return re.sub(r"^\[Errno -?\d+\] ", "", text)


class GatewayError(Exception):
    """Base of all. `str(error)` is one sentence that names the thing, and the fix where there is one."""


class ConfigError(GatewayError):
    """A setting that cannot be. `line` is 1-based, 0 where the file as a whole is meant; `key` is a dotted path.

    `more` holds what else is wrong with the same file.
    """

    def __init__(self, source: str, problem: str, *, line: int = 0, key: str = "") -> None:
        super().__init__(source, problem)
        self.source, self.problem, self.line, self.key = source, problem, line, key
        self.more: tuple[ConfigError, ...] = ()

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.key}: {self.problem}" if self.key else f"{place}: {self.problem}"


class ApiError(GatewayError):
    """What a gateway that was asked over HTTP answers, or that none does. `source` is its URL, or what was named."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(source, problem)
        self.source, self.problem = source, problem

    def __str__(self) -> str:
        return f"{self.source}: {self.problem}"


class PortInUse(GatewayError):
    """An address that something else listens on. `holder` is who, where that is known."""

    def __init__(self, what: str, host: str, port: int, setting: str) -> None:
        super().__init__(what, host, port)
        self.what, self.host, self.port, self.setting = what, host, port, setting
        self.holder = ""

    def __str__(self) -> str:
        why = f"{self.holder} has it" if self.holder else "the address is in use or not of this machine"
        return f"{self.what} cannot listen on {self.host}:{self.port}: {why}; choose another with {self.setting}"


class SipError(GatewayError):
    """Something in SIP signalling."""


class SipParseError(SipError):
    """Bytes that are not a SIP message. `status` is the response that a request of this kind deserves."""

    def __init__(self, problem: str, status: int = 400) -> None:
        super().__init__(problem)
        self.problem, self.status = problem, status

    def __str__(self) -> str:
        return f"not a valid SIP message: {self.problem}"


class SdpError(SipError):
    """A session description that cannot be read."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"not a valid session description: {self.problem}"


class CallRefused(GatewayError):
    """A call that is not taken."""


class NoRoute(CallRefused):
    """Nobody answers for `called`; `tried` names each rule and why it did not match."""

    def __init__(self, called: str, tried: list[str]) -> None:
        super().__init__(called)
        self.called, self.tried = called, tried

    def __str__(self) -> str:
        return f"no route for {self.called!r}: " + ("; ".join(self.tried) or "no routes are configured")


class NoCommonCodec(CallRefused):
    """An offer with no audio that is spoken here."""

    def __init__(self, offered: list[str], supported: list[str]) -> None:
        super().__init__(offered)
        self.offered, self.supported = offered, supported

    def __str__(self) -> str:
        return f"no codec in common: offered {', '.join(self.offered) or 'none'}; here {', '.join(self.supported)}"


class NoMediaPort(CallRefused):
    """Every RTP port of the range is lent to a call, or still cooling down after one."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(first, last)
        self.first, self.last = first, last

    def __str__(self) -> str:
        return f"no free RTP port in {self.first}-{self.last}: widen media.first_port..last_port"


class NoFileDescriptor(CallRefused):
    """The process may open no more sockets and files."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"no socket can be opened: {self.problem}; raise the limit of open files (ulimit -n, LimitNOFILE=)"


class MediaAddressRefused(CallRefused):
    """`host` in a session description, and why no media goes there. `warning` is a code of RFC 3261 section 20.43."""

    def __init__(self, host: str, problem: str, warning: int) -> None:
        super().__init__(host, problem)
        self.host, self.problem, self.warning = host, problem, warning

    def __str__(self) -> str:
        return f"no media can be sent to {self.host[:60]!r}: {self.problem}"


class AgentBusy(CallRefused):
    """An agent's limit of calls is reached."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"the agent {self.name} is at its limit: raise its max_calls"


class NoSuchAgent(CallRefused):
    """An order to call names an agent that is not there."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"there is no agent {self.name!r}; these are: {', '.join(self.known)}"


class NoSuchTrunk(CallRefused):
    """An order to call names a trunk that is not there, or none where there are several."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name)
        self.name, self.known = name, known

    def __str__(self) -> str:
        problem = f"there is no trunk {self.name!r}" if self.name else "the order has to name a trunk"
        return f"{problem}; these are: {', '.join(self.known)}"


class NoWay(CallRefused):
    """The dial plan has no row for a number, and there are several trunks."""

    def __init__(self, number: str, patterns: list[str], trunks: list[str]) -> None:
        super().__init__(number)
        self.number, self.patterns, self.trunks = number, patterns, trunks

    def __str__(self) -> str:
        return (
            f"no row of dial_plan takes {self.number}; there are {', '.join(self.patterns)}: add one, or name a trunk "
            f"of {', '.join(self.trunks)}"
        )


class NotLoggedIn(CallRefused):
    """A user of a trunk who has no telephone registered now."""

    def __init__(self, user: str) -> None:
        super().__init__(user)
        self.user = user

    def __str__(self) -> str:
        return f"no telephone is registered for {self.user!r}"


class TrunkBusy(CallRefused):
    """A trunk's limit of calls, or of calls per second, is reached."""

    def __init__(self, trunk: str) -> None:
        super().__init__(trunk)
        self.trunk = trunk

    def __str__(self) -> str:
        return f"the trunk {self.trunk} is at its limit: raise its max_calls or calls_per_second"


class ApplicationSilent(CallRefused):
    """A program that was asked whether it takes a call, by the webhook at `url`."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url, self.problem = url, problem

    def __str__(self) -> str:
        return f"the application at {self.url} {self.problem}"


class Draining(CallRefused):
    """The node takes no new calls."""

    def __str__(self) -> str:
        return "this node is shutting down and takes no new calls"


class ProviderError(GatewayError):
    """The Realtime provider behind an agent."""

    def __init__(self, provider: str, url: str, problem: str, fix: str = "") -> None:
        super().__init__(provider, problem)
        self.provider, self.url, self.problem, self.fix = provider, url, problem, fix

    def __str__(self) -> str:
        return f"provider {self.provider} at {self.url}: {self.problem}" + (f"; {self.fix}" if self.fix else "")


class ProviderUnreachable(ProviderError):
    """No WebSocket could be opened, or it closed before or during the call."""

    busy = False
    """It answered, and may take a session a moment later: 429, 503 and the like."""
    retry_after: float | None = None
    """Seconds that it wants to be left alone for, where it says so."""


class ProviderRefused(ProviderError):
    """The provider answered, and said no."""

    account = False
    """To whoever has this key, and not to one agent's model or settings."""


class StoreUnavailable(GatewayError):
    """Redis does not answer."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(url, problem)
        self.url, self.problem = url, _without_numbers(problem)

    def __str__(self) -> str:
        return f"Redis at {self.url} is not available: {self.problem}"


class NodeSilent(GatewayError):
    """A node that was asked for something and did not answer within `seconds`; 0 where it is known to be gone."""

    def __init__(self, node: str, seconds: float) -> None:
        super().__init__(node, seconds)
        self.node, self.seconds = node, seconds

    def __str__(self) -> str:
        how = f"did not answer within {self.seconds:g} s" if self.seconds else "is gone"
        return f"the node {self.node} {how}; its calls are closed by the others within seconds"


class NoSuchCall(GatewayError):
    """A call that is not there, or not any more."""

    def __init__(self, call_id: str) -> None:
        super().__init__(call_id)
        self.call_id = call_id

    def __str__(self) -> str:
        return f"there is no call {self.call_id} in progress"


class WrongState(GatewayError):
    """What a call is doing, and what it therefore cannot do."""

    def __init__(self, call_id: str, state: str, problem: str) -> None:
        super().__init__(call_id, state, problem)
        self.call_id, self.state, self.problem = call_id, state, problem

    def __str__(self) -> str:
        return f"the call {self.call_id} is {self.state}: {self.problem}"


class BadCommand(GatewayError):
    """`field` of a command, and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class ToolError(GatewayError):
    """A tool call that failed; the text goes to the model, which can act on it."""

    def __init__(self, tool: str, problem: str) -> None:
        super().__init__(tool, problem)
        self.tool, self.problem = tool, problem

    def __str__(self) -> str:
        return f"{self.tool}: {self.problem}"
