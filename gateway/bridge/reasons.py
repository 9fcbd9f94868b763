"""What becomes of an error: the SIP response that refuses the call, and the outcome that its record shows.

The one place where an exception turns into protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from gateway import errors
from gateway.records import RETRY_AFTER


@dataclass(frozen=True, slots=True)
class Reason:
    """`status` and `headers` answer the INVITE; `outcome` names it in records and metrics."""

    status: int
    outcome: str
    headers: dict[str, str] = field(default_factory=dict)


REASONS: dict[type[errors.GatewayError], Reason] = {
    errors.ConfigError: Reason(500, "misconfigured"),
    errors.PortInUse: Reason(500, "misconfigured"),
    errors.SipError: Reason(400, "bad_signalling"),
    errors.SipParseError: Reason(400, "bad_signalling"),
    errors.SdpError: Reason(400, "bad_session_description"),
    errors.CallRefused: Reason(480, "refused"),
    errors.NoRoute: Reason(404, "no_route"),
    errors.NoCommonCodec: Reason(488, "no_common_codec", {"Warning": '305 gateway "Incompatible media format"'}),
    errors.NoMediaPort: Reason(503, "no_media_port"),
    errors.NoFileDescriptor: Reason(503, "no_file_descriptor"),
    errors.MediaAddressRefused: Reason(488, "media_address_refused"),
    errors.AgentBusy: Reason(486, "agent_busy"),
    errors.NoSuchAgent: Reason(404, "no_such_agent"),
    errors.NoSuchTrunk: Reason(404, "no_such_trunk"),
    errors.NotLoggedIn: Reason(480, "not_logged_in"),
    errors.TrunkBusy: Reason(503, "trunk_busy"),
    errors.ApplicationSilent: Reason(480, "application_silent"),
    errors.Draining: Reason(503, "draining"),
    errors.ProviderError: Reason(503, "provider_failed"),
    errors.ProviderUnreachable: Reason(503, "provider_unreachable"),
    errors.ProviderRefused: Reason(503, "provider_refused"),
    errors.StoreUnavailable: Reason(500, "store_unavailable"),
    errors.NodeSilent: Reason(504, "node_silent"),
    errors.NoSuchCall: Reason(481, "no_such_call"),
    errors.WrongState: Reason(491, "wrong_state"),
    errors.BadCommand: Reason(400, "bad_command"),
    errors.ToolError: Reason(500, "tool_failed"),
}
"""One row for each kind of error."""

WARNINGS = {
    300: "Incompatible network protocol",
    301: "Incompatible network address formats",
    330: "Multicast not available",
    399: "Address not allowed",
}
"""Codes of the Warning header with their texts (RFC 3261 section 20.43)."""

OURS = Reason(500, "internal_error")
"""For whatever is raised without being meant to."""


BY_STATUS = {
    "busy": {486, 600},
    "no_answer": {408, 480, 487},
    "invalid_number": {404, 410, 414, 416, 484, 604},
    "rejected": {401, 402, 403, 407, 433, 603, 607, 608},
}
"""What a refusal of our INVITE means, by its status."""

BY_CAUSE = {"busy": {17}, "no_answer": {18, 19, 20}, "invalid_number": {1, 2, 3, 22, 28}, "rejected": {21}}
"""And by the Q.850 cause in its Reason, which a telephone network knows better (ITU-T Q.850, RFC 3326)."""

_Q850 = re.compile(r"Q\.850\s*;.*?cause\s*=\s*(\d+)", re.IGNORECASE)


class Rejection(Protocol):
    """`gateway.sip`'s Rejected: how an INVITE of ours came to nothing."""

    @property
    def cause(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def reason(self) -> str: ...


def outcome_of(rejection: Rejection) -> str:
    """busy, no_answer, invalid_number, rejected, cancelled, unreachable or failed."""
    if rejection.cause != "refused":
        return rejection.cause.replace("-", "_")
    if found := _Q850.search(rejection.reason):
        for outcome, causes in BY_CAUSE.items():
            if int(found[1]) in causes:
                return outcome
    return next((outcome for outcome, statuses in BY_STATUS.items() if rejection.status in statuses), "failed")


def reason_of(error: BaseException, retry_after: Mapping[str, int] = RETRY_AFTER) -> Reason:
    """With Retry-After where `retry_after` has seconds for the outcome."""
    reason = REASONS.get(type(error), OURS) if isinstance(error, errors.GatewayError) else OURS
    if isinstance(error, errors.MediaAddressRefused):
        warning = f'{error.warning} gateway "{WARNINGS[error.warning]}"'
        reason = replace(reason, headers={**reason.headers, "Warning": warning})
    if seconds := retry_after.get(reason.outcome):
        return replace(reason, headers={**reason.headers, "Retry-After": str(seconds)})
    return reason
