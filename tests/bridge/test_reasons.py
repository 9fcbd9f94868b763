from types import SimpleNamespace

import pytest

from gateway import errors
from gateway.bridge import reason_of
from gateway.bridge.reasons import OURS, REASONS, outcome_of
from gateway.sip import Cause


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (errors.NoRoute("1", []), 404, "no_route"),
        (errors.NoCommonCodec([], []), 488, "no_common_codec"),
        (errors.SdpError("x"), 400, "bad_session_description"),
        (errors.Draining(), 503, "draining"),
        (errors.ProviderUnreachable("p", "u", "x"), 503, "provider_unreachable"),
        (RuntimeError("a bug"), 500, "internal_error"),
    ],
)
def test_what_an_error_becomes(error, status, outcome):
    reason = reason_of(error)
    assert (reason.status, reason.outcome) == (status, outcome)


def test_503_that_passes_says_when_to_come_back():
    assert reason_of(errors.NoMediaPort(1, 2)).headers["Retry-After"] == "10"
    assert reason_of(errors.NoMediaPort(1, 2), {"no_media_port": 3}).headers["Retry-After"] == "3"
    assert "Retry-After" not in reason_of(errors.NoMediaPort(1, 2), {"no_media_port": 0}).headers
    assert reason_of(errors.AgentBusy("eve"), {"agent_busy": 7}).headers == {"Retry-After": "7"}
    assert OURS not in REASONS.values()
    assert all(300 <= reason.status < 700 for reason in REASONS.values())


@pytest.mark.parametrize(
    ("cause", "status", "reason", "outcome"),
    [
        (Cause.REFUSED, 486, "", "busy"), (Cause.REFUSED, 600, "", "busy"), (Cause.REFUSED, 480, "", "no_answer"),
        (Cause.REFUSED, 404, "", "invalid_number"), (Cause.REFUSED, 484, "", "invalid_number"),
        (Cause.REFUSED, 603, "", "rejected"), (Cause.REFUSED, 403, "", "rejected"), (Cause.REFUSED, 503, "", "failed"),
        (Cause.REFUSED, 480, 'Q.850;cause=17;text="User busy"', "busy"),
        (Cause.REFUSED, 503, "SIP;cause=503, Q.850 ; cause=1", "invalid_number"),
        (Cause.REFUSED, 486, "Q.850;cause=127", "busy"), (Cause.NO_ANSWER, 408, "", "no_answer"),
        (Cause.UNREACHABLE, 408, "", "unreachable"), (Cause.CANCELLED, 487, "", "cancelled"),
    ],
)  # fmt: skip
def test_what_became_of_an_invite_of_ours(cause, status, reason, outcome):
    assert outcome_of(SimpleNamespace(cause=cause, status=status, reason=reason)) == outcome
