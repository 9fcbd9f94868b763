import pytest

from gateway.realtime.conversation import Severity, severity_of


@pytest.mark.parametrize(
    ("error", "about", "severity"),
    [
        ({"code": "session_expired"}, "", Severity.FATAL),
        ({"type": "insufficient_quota"}, "", Severity.FATAL),  # some servers put the code into the type
        ({"code": "response_cancel_not_active"}, "", Severity.BENIGN),
        ({"code": "invalid_value"}, "conversation.item.truncate", Severity.BENIGN),
        ({"code": "server_error"}, "response.create", Severity.TURN),
        ({}, "", Severity.TURN),
    ],
)
def test_what_an_error_means(error, about, severity):
    assert severity_of(error, about) is severity
