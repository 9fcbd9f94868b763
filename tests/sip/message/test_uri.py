import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SipParseError
from gateway.sip.message.uri import Uri


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.org",
        "sips:alice:secret@[2001:db8::1]:5061;transport=tls;lr",
        "sip:+15551234;phone-context=example.org@h?Subject=x",
        "sip:example.org",
        "tel:+1-201-555-0123",
    ],
)
def test_there_and_back(text):
    assert str(Uri.parse(text)) == text


def test_parts():
    uri = Uri.parse("SIP:%61lice;ext=1@Host:5070;Transport=TCP")
    assert (uri.number, uri.host, uri.port, uri.transport) == ("alice", "Host", 5070, "tcp")
    assert Uri.parse("sips:h").port_or_default == 5061
    assert Uri.parse("sip:a@h?X=1").without_headers() == Uri.parse("sip:a@h")


@pytest.mark.parametrize(
    "text", ["", "alice", "sip:", "sip: a@h", "sip:a@h:99999", "1sip:a@h", "tel:", "sip:a@h\r\nX: y"]
)
def test_what_is_none(text):
    with pytest.raises(SipParseError):
        Uri.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_a_clear_error(text):
    try:
        uri = Uri.parse(text)
    except SipParseError:
        return
    assert Uri.parse(str(uri)) == uri
