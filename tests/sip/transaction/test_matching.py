import pytest

from gateway.errors import SipParseError
from gateway.sip.flow import Flow
from gateway.sip.message.message import parse
from gateway.sip.transaction.matching import (
    is_alone,
    is_behind_nat,
    is_private,
    merge_key,
    note_source,
    phrase,
    salvage,
    server_key,
)
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


@pytest.mark.parametrize("line", [b"INVITE", b"INVITE  x", b"INVITE sip: SIP/7.0", b"INVITE sip:h SIP/2.0"])
def test_of_a_request_that_cannot_be_read_what_an_answer_needs_is_kept(line):
    bad = request().replace(b"INVITE sip:reception@192.0.2.1 SIP/2.0", line).replace(b"Max-Forwards: 70", b"no header")
    assert [name for name, _ in salvage(bad).headers] == ["Via", "From", "To", "Call-ID", "CSeq"]
    assert salvage(bad).method == "INVITE"


@pytest.mark.parametrize(
    ("remote", "change", "seen"),
    [
        (("192.0.2.10", 5060), (b"", b""), False),
        (("203.0.113.5", 5060), (b"", b""), True),
        (("192.0.2.10", 40000), (b"", b""), True),
        (("192.0.2.10", 40000), (b";rport", b""), False),  # it takes answers where it says, not where it sent from
        (("203.0.113.5", 5060), (b"UDP 192.0.2.10:5060", b"UDP pbx.example:5060"), False),
    ],
)
def test_a_nat_is_seen_by_the_via(remote, change, seen):
    message = parse(request().replace(*change))
    flow = Flow("udp", remote, ("192.0.2.1", 5060))
    assert is_behind_nat(message, flow) is seen
    note_source(message, flow)
    assert is_behind_nat(message, flow) is seen


def test_whether_a_proxy_stands_between():
    assert is_alone(parse(request()))
    assert not is_alone(parse(request(extra="Record-Route: <sip:192.0.2.5;lr>\r\n")))
    assert not is_alone(parse(request(extra="Via: SIP/2.0/UDP 10.0.0.1\r\n")))


def test_private_addresses():
    private = [one for one in ("10.1.2.3", "172.20.0.1", "192.168.7.7", "100.64.0.9", "fd00::1", "127.0.0.1")]
    assert all(is_private(one) for one in private)
    assert not any(is_private(one) for one in ("8.8.8.8", "pbx.example", "2606:4700::1", ""))


def test_a_phrase_holds_no_control_characters():
    assert phrase(SipParseError("a\r\nb")) == "Bad Request: a  b"
    assert phrase(SipParseError("x", 505)) == ""


def test_over_a_stream_the_connection_that_is_gone_is_made_anew_to_where_the_peer_listens():
    """RFC 3261 section 18.2.2."""
    flow = Flow("tcp", ("198.51.100.7", 33333), ("192.0.2.1", 5060), connection=7)
    back = note_source(parse(request(transport="TCP")), flow)
    assert (back.remote, back.connection) == (("198.51.100.7", 5060), 7)
