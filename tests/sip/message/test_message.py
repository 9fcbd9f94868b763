import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import SipParseError
from gateway.sip.message.message import Headers, Request, Response, check, parse
from tests.wire import OFFER, request


def test_a_request_as_peers_write_it():
    """Compact forms, folding, lists on one line, odd white space (RFC 3261 section 7.3)."""
    data = (
        b"INVITE sip:a@h SIP/2.0\r\nv: SIP/2.0/UDP one;branch=z9hG4bK1, SIP/2.0/TCP two\r\n"
        b"f: <sip:x@h>;tag=1\r\nt: sip:a@h\r\ni: id\r\nCSEQ:  1\r\n  INVITE\r\nl: 4\r\n\r\nbodyrest"
    )
    message = parse(data)
    assert isinstance(message, Request)
    assert message.body == b"body"
    assert message.headers.all("Via") == ["SIP/2.0/UDP one;branch=z9hG4bK1", "SIP/2.0/TCP two"]
    assert (message.via.host, message.from_.tag, str(message.cseq), message.call_id) == ("one", "1", "1 INVITE", "id")
    check(message)


def test_serialized_is_parsed_again():
    message = parse(request(body=OFFER))
    assert parse(message.serialize()) == message
    response = message.respond(200, to_tag="x")
    assert parse(response.serialize()).serialize() == response.serialize()
    assert response.to.tag == "x"


@pytest.mark.parametrize(
    ("change", "says", "status"),
    [
        ((b" SIP/2.0\r\n", b" SIP/7.0\r\n"), "SIP version 7.0", 505),
        ((b"INVITE sip", b"INV@TE sip"), "not a method", 400),
        ((b"Content-Length: 0", b"Content-Length: -1"), "Content-Length", 400),
        ((b"Content-Length: 0", b"Content-Length: 9"), "9, but the body has 0", 400),
        ((b"Content-Length: 0", b"no colon"), "not a header", 400),
        ((b"\r\n\r\n", b"\r\n"), "no empty line", 400),
        ((b"CSeq: 1 INVITE", b"CSeq: 1 BYE"), "CSeq says BYE", 400),
        ((b"Call-ID: one", b"Call-ID: two\r\nCall-ID: one"), "more than once", 400),
        ((b"From: ", b"Form: "), "From", 400),
        ((b"Max-Forwards: 70", b"X: 1\r\n" * 300), "more than 256 headers", 513),
    ],
)
def test_what_is_refused(change, says, status):
    with pytest.raises(SipParseError, match=says) as caught:
        check(parse(request().replace(*change)))
    assert caught.value.status == status


def test_headers_by_name():
    headers = Headers([("Via", "a"), ("X", "1"), ("VIA", "b")])
    headers.set_first("via", "c")
    assert [value for _, value in headers] == ["c", "b", "1"]
    headers.set("x", "2")
    assert headers.get("X") == "2"
    headers.remove("via")
    assert "Via" not in headers


def test_status_without_a_phrase():
    message = parse(b"SIP/2.0 200\r\nVia: SIP/2.0/UDP h\r\n\r\n")
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (200, "")


@given(
    st.binary(max_size=300)
    | st.builds(lambda a, n: request()[:n] + a + request()[n:], st.binary(max_size=9), st.integers(0, 300))
)
def test_any_bytes_are_a_message_or_a_clear_error(data):
    try:
        message = parse(data)
        check(message)
    except SipParseError:
        return
    check(parse(message.serialize()))
