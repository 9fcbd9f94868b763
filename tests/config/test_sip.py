import pytest
from pydantic import ValidationError

from gateway.config.sip import TrunkRow, trunk_of
from gateway.document import load

PASSWORDS = {"ACME_PASSWORD": "secret", "ANN": "ann's"}


def secret(name, key):
    assert key in ("login.password_env", "users.0.password_env")
    return PASSWORDS[name]


def test_a_row_with_everything():
    row = TrunkRow.model_validate(
        {
            "name": "acme", "peers": ["203.0.113.0/28"], "server": "sip.acme.example;transport=tls",
            "proxy": "sip:edge.acme.example:5080;lr", "domain": "acme.example", "register_seconds": 300,
            "login": {"username": "me", "password_env": "ACME_PASSWORD"}, "caller_id": "+15550100",
            "identity": ["from", "p_asserted_identity"],
            "users": [{"username": "ann", "password_env": "ANN"}], "headers": {"X-Account": "7"}, "codecs": ["PCMA"],
            "srtp": "required", "transfer": "bridge", "dtmf": "info", "ring_seconds": 30, "session_seconds": 0,
            "redirects": 2, "max_calls": 5, "calls_per_second": 0.5, "media_peers": ["198.51.100.0/24"],
        }
    )  # fmt: skip
    trunk = trunk_of(row, secret)
    assert (trunk.server.host, trunk.server.transport, str(trunk.proxy)) == (
        "sip.acme.example", "tls", "sip:edge.acme.example:5080;lr",
    )  # fmt: skip
    assert (trunk.credentials.username, trunk.credentials.password) == ("me", "secret")
    assert trunk.users[0].password == "ann's"
    assert trunk.headers == (("X-Account", "7"),)
    assert (trunk.srtp, trunk.transfer, trunk.dtmf, trunk.codecs) == ("required", "bridge", "info", ("PCMA",))
    assert [str(network) for network in trunk.media_peers] == ["198.51.100.0/24"]


@pytest.mark.parametrize(("written", "nat"), [("on", "on"), ("off", "off"), ("yes", "on"), ("auto", "auto")])
def test_on_and_off_are_what_yaml_makes_of_them(written, nat):
    row = load("trunk.yaml", f"name: a\nserver: sip:x\nnat: {written}\n", TrunkRow.model_validate)
    assert trunk_of(row, secret).nat == nat


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({}, "it needs peers or users"),
        ({"peers": ["10.0.0.1"], "register_seconds": 60}, "register_seconds needs a server"),
        ({"server": "sip:a b"}, "it is like sip:trunk.example.com"),
        ({"server": "x", "session_seconds": 20}, "90 or more"),
        ({"server": "x", "codecs": ["G729"]}, "there is no codec G729"),
        ({"server": "x", "headers": {"Call-ID": "1"}}, "the gateway's own"),
        ({"server": "x", "headers": {"X-A": "1\r\nVia: x"}}, "line end"),
        ({"server": "x", "transfer": "push"}, "transfer"),
    ],
)
def test_what_cannot_be_is_named(row, says):
    with pytest.raises(ValidationError, match=says):
        TrunkRow.model_validate({"name": "a"} | row)
