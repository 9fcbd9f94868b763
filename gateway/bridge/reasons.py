"""What becomes of an error: the SIP response that refuses the call, and the outcome that its record shows.

The one place where an exception turns into protocol.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway import errors
from gateway.outcomes import RETRY_AFTER, Outcome
from gateway.sip import Cause, Rejected


@dataclass(frozen=True, slots=True)
class Reason:
    """`status` and `headers` answer the INVITE; `outcome` names it in records and metrics."""

    status: int
    outcome: Outcome
    headers: dict[str, str] = field(default_factory=dict)


REASONS: dict[type[errors.GatewayError], Reason] = {
    errors.ConfigError: Reason(500, Outcome.MISCONFIGURED),
    errors.PortInUse: Reason(500, Outcome.MISCONFIGURED),
    errors.SipError: Reason(400, Outcome.BAD_SIGNALLING),
    errors.SipParseError: Reason(400, Outcome.BAD_SIGNALLING),
    errors.SdpError: Reason(400, Outcome.BAD_SESSION_DESCRIPTION),
    errors.CallRefused: Reason(480, Outcome.REFUSED),
    errors.NoRoute: Reason(404, Outcome.NO_ROUTE),
    errors.NoCommonCodec: Reason(488, Outcome.NO_COMMON_CODEC, {"Warning": '305 gateway "Incompatible media format"'}),
    errors.NoMediaPort: Reason(503, Outcome.NO_MEDIA_PORT),
    errors.NoFileDescriptor: Reason(503, Outcome.NO_FILE_DESCRIPTOR),
    errors.MediaAddressRefused: Reason(488, Outcome.MEDIA_ADDRESS_REFUSED),
    errors.AgentBusy: Reason(486, Outcome.AGENT_BUSY),
    errors.NoSuchAgent: Reason(404, Outcome.NO_SUCH_AGENT),
    errors.NoSuchTrunk: Reason(404, Outcome.NO_SUCH_TRUNK),
    errors.NoWay: Reason(404, Outcome.NO_SUCH_TRUNK),
    errors.NotLoggedIn: Reason(480, Outcome.NOT_LOGGED_IN),
    errors.TrunkBusy: Reason(503, Outcome.TRUNK_BUSY),
    errors.ApplicationSilent: Reason(480, Outcome.APPLICATION_SILENT),
    errors.Draining: Reason(503, Outcome.DRAINING),
    errors.ProviderError: Reason(503, Outcome.PROVIDER_FAILED),
    errors.ProviderUnreachable: Reason(503, Outcome.PROVIDER_UNREACHABLE),
    errors.ProviderRefused: Reason(503, Outcome.PROVIDER_REFUSED),
    errors.StoreUnavailable: Reason(500, Outcome.STORE_UNAVAILABLE),
    errors.NodeSilent: Reason(504, Outcome.NODE_SILENT),
    errors.NoSuchCall: Reason(481, Outcome.NO_SUCH_CALL),
    errors.WrongState: Reason(491, Outcome.WRONG_STATE),
    errors.BadCommand: Reason(400, Outcome.BAD_COMMAND),
    errors.ToolError: Reason(500, Outcome.TOOL_FAILED),
}
"""One row for each kind of error."""

WARNINGS = {
    300: "Incompatible network protocol",
    301: "Incompatible network address formats",
    330: "Multicast not available",
    399: "Address not allowed",
}
"""Codes of the Warning header with their texts (RFC 3261 section 20.43)."""

OURS = Reason(500, Outcome.INTERNAL_ERROR)
"""For whatever is raised without being meant to."""


BY_CAUSE = {
    Cause.BYE: Outcome.CALLER_HUNG_UP,
    Cause.CANCELLED: Outcome.CANCELLED,
    Cause.TRANSPORT: Outcome.TRANSPORT,
    Cause.NO_ACK: Outcome.NO_ACK,
    Cause.NO_PRACK: Outcome.NO_PRACK,
    Cause.SESSION_EXPIRED: Outcome.SESSION_EXPIRED,
    Cause.NO_ANSWER: Outcome.NO_ANSWER,
    Cause.UNREACHABLE: Outcome.UNREACHABLE,
}
"""What the end of a SIP session is for the call; a refusal goes by its status."""

BY_STATUS = {
    Outcome.BUSY: {486, 600},
    Outcome.NO_ANSWER: {408, 480, 487},
    Outcome.INVALID_NUMBER: {404, 410, 414, 416, 484, 604},
    Outcome.REJECTED: {401, 402, 403, 407, 433, 603, 607, 608},
}
"""What a refusal of our INVITE means, by its status."""

BY_Q850 = {
    Outcome.BUSY: {17},
    Outcome.NO_ANSWER: {18, 19, 20},
    Outcome.INVALID_NUMBER: {1, 2, 3, 22, 28},
    Outcome.REJECTED: {21},
}
"""And by the Q.850 cause in its Reason, which a telephone network knows better (ITU-T Q.850, RFC 3326)."""

_Q850 = re.compile(r"Q\.850\s*;.*?cause\s*=\s*(\d+)", re.IGNORECASE)


def outcome_of(rejection: Rejected) -> Outcome:
    """What becomes of a call of ours: BUSY, NO_ANSWER, INVALID_NUMBER, REJECTED, CANCELLED, UNREACHABLE or FAILED."""
    if rejection.cause in BY_CAUSE:
        return BY_CAUSE[rejection.cause]
    if found := _Q850.search(rejection.reason):
        for outcome, causes in BY_Q850.items():
            if int(found[1]) in causes:
                return outcome
    return outcome_of_status(rejection.status)


def outcome_of_status(status: int) -> Outcome:
    """BUSY, NO_ANSWER, INVALID_NUMBER, REJECTED or FAILED."""
    return next((outcome for outcome, statuses in BY_STATUS.items() if status in statuses), Outcome.FAILED)


NEXT_TRUNK_STATUSES = {401, 402, 403, 407, 408, 500, 502, 503, 504}
NEXT_TRUNK_CAUSES = {3, 34, 38, 41, 42, 47}
"""Refusals of a carrier and not of who is called: of our login, for lack of money, a route, a circuit."""


def another_trunk_may_help(rejection: Rejected) -> bool:
    """Whether the same call by another trunk could come to more: not where the called party itself has said no."""
    if rejection.cause is Cause.UNREACHABLE:
        return True
    if rejection.cause is not Cause.REFUSED:
        return False
    if found := _Q850.search(rejection.reason):
        return int(found[1]) in NEXT_TRUNK_CAUSES
    return rejection.status in NEXT_TRUNK_STATUSES


def reason_of(error: BaseException, retry_after: Mapping[str, int] = RETRY_AFTER) -> Reason:
    """With Retry-After where `retry_after` has seconds for the outcome."""
    reason = REASONS.get(type(error), OURS) if isinstance(error, errors.GatewayError) else OURS
    if isinstance(error, errors.MediaAddressRefused):
        warning = f'{error.warning} gateway "{WARNINGS[error.warning]}"'
        reason = replace(reason, headers={**reason.headers, "Warning": warning})
    if seconds := retry_after.get(reason.outcome):
        return replace(reason, headers={**reason.headers, "Retry-After": str(seconds)})
    return reason
