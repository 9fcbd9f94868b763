"""What becomes of an error: the SIP response that refuses the call, and the outcome that its record shows.

The one place where an exception turns into protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway import errors


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
    errors.NoMediaPort: Reason(503, "no_media_port", {"Retry-After": "10"}),
    errors.TrunkBusy: Reason(503, "trunk_busy", {"Retry-After": "5"}),
    errors.Draining: Reason(503, "draining", {"Retry-After": "30"}),
    errors.ProviderError: Reason(503, "provider_failed"),
    errors.ProviderUnreachable: Reason(503, "provider_unreachable", {"Retry-After": "10"}),
    errors.ProviderRefused: Reason(503, "provider_refused"),
    errors.StoreUnavailable: Reason(500, "store_unavailable"),
    errors.ToolError: Reason(500, "tool_failed"),
}
"""One row for each kind of error."""

OURS = Reason(500, "internal_error")
"""For whatever is raised without being meant to."""


def reason_of(error: BaseException) -> Reason:
    return REASONS.get(type(error), OURS) if isinstance(error, errors.GatewayError) else OURS
