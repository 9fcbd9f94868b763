import pytest

from gateway import errors
from gateway.bridge import reason_of
from gateway.bridge.reasons import OURS, REASONS


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
    assert reason_of(errors.NoMediaPort(1, 2)).headers["Retry-After"]
    assert OURS not in REASONS.values()
    assert all(300 <= reason.status < 700 for reason in REASONS.values())
