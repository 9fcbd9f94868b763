import pytest

from gateway.errors import SipParseError
from gateway.sip.flow import Flow
from gateway.sip.matching import merge_key, note_source, phrase, repair_start_line, server_key
from gateway.sip.message import parse
from tests.wire import request

ELSEWHERE = Flow("udp", ("198.51.100.7", 4242), ("192.0.2.1", 5060))


def test_answers_go_where_the_request_came_from_when_it_asks_for_that():
    """RFC 3581 section 4."""
    message = parse(request())
    assert note_source(message, ELSEWHERE).remote == ("198.51.100.7", 4242)
    assert (message.via.params["received"], message.via.params["rport"]) == ("198.51.100.7", "4242")


def test_else_they_go_to_the_port_that_it_names():
    message = parse(request().replace(b";rport", b""))
    assert note_source(message, ELSEWHERE).remote == ("198.51.100.7", 5060)
    assert message.via.params["received"] == "198.51.100.7"


def test_an_ack_finds_the_transaction_of_its_invite_and_a_cancel_has_one_of_its_own():
    invite, ack, cancel = (parse(request(method)) for method in ("INVITE", "ACK", "CANCEL"))
    assert server_key(invite) == server_key(ack)
    assert server_key(invite)[1:] == server_key(cancel)[1:]
    assert server_key(invite) != server_key(cancel)


def test_without_the_magic_cookie_the_headers_decide():
    """RFC 2543 peers, RFC 3261 section 17.2.3."""
    one, other = (parse(request(branch="1", cseq=cseq)) for cseq in (1, 2))
    assert server_key(one) != server_key(other)
    assert server_key(one) == server_key(parse(request("ACK", branch="1")))


def test_the_same_request_by_two_ways_has_one_merge_key():
    assert merge_key(parse(request(branch="z9hG4bK1"))) == merge_key(parse(request(branch="z9hG4bK2")))


@pytest.mark.parametrize("line", [b"INVITE", b"INVITE  x", b"INVITE sip: SIP/7.0"])
def test_a_broken_start_line_keeps_its_method(line):
    assert repair_start_line(line + b"\r\nTo: x") == b"INVITE sip:invalid SIP/2.0\r\nTo: x"


def test_a_phrase_holds_no_control_characters():
    assert phrase(SipParseError("a\r\nb")) == "Bad Request: a  b"
    assert phrase(SipParseError("x", 505)) == ""


def test_over_a_stream_the_connection_that_is_gone_is_made_anew_to_where_the_peer_listens():
    """RFC 3261 section 18.2.2."""
    flow = Flow("tcp", ("198.51.100.7", 33333), ("192.0.2.1", 5060), connection=7)
    back = note_source(parse(request(transport="TCP")), flow)
    assert (back.remote, back.connection) == (("198.51.100.7", 5060), 7)
