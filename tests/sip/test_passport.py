import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.passport import claims


def token(payload):
    def part(value):
        return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return (
        f"{part({'alg': 'ES256', 'ppt': 'shaken'})}.{part(payload)}.signature;info=<https://c.example/a.pem>;ppt=shaken"
    )


def test_the_claims_of_shaken():
    """As in RFC 8588 section 5."""
    payload = {
        "attest": "A", "dest": {"tn": ["12125551213"]}, "iat": 1443208345, "orig": {"tn": "12155551212"},
        "origid": "123e4567-e89b-12d3-a456-426655440000",
    }  # fmt: skip
    assert claims(token(payload)) == {
        "attest": "A", "dest": "12125551213", "iat": "1443208345", "orig": "12155551212",
        "origid": "123e4567-e89b-12d3-a456-426655440000",
    }  # fmt: skip


@pytest.mark.parametrize(
    "payload", [{}, [], "x", {"attest": {}}, {"orig": 5, "dest": {"tn": []}}, {"orig": {"tn": {"a": 1}}}]
)
def test_what_is_not_there_is_left_out(payload):
    assert claims(token(payload)) == {}


@given(st.text())
def test_nonsense_claims_nothing(text):
    assert isinstance(claims(text), dict)
