import pytest

from gateway.sip import Ended, Incoming
from tests.wire import OFFER, UDP, Wire, answered, request


def test_an_invite_is_a_call_with_100_at_once():
    wire = Wire()
    (trying,) = wire.receive(request(body=OFFER))
    assert trying.status == 100
    assert isinstance(wire.events[0], Incoming)
    assert wire.events[0].session.offer == OFFER


def test_responses_go_where_the_request_came_from():
    """RFC 3581: received and rport."""
    wire = Wire(flow=UDP)
    (answer,) = wire.receive(request("OPTIONS").replace(b"192.0.2.10:5060;branch", b"10.0.0.5:7000;branch"))
    assert (answer.via.params["received"], answer.via.params["rport"]) == ("192.0.2.10", "5060")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("OPTIONS"), 200),
        (request("PUBLISH"), 405),
        (request("SUBSCRIBE"), 489),
        (request("BYE", to_tag="nobody"), 481),
        (request("NOTIFY"), 481),
        (request("CANCEL"), 481),
        (request("INVITE", target="http://h"), 416),
        (request("INVITE", extra="Require: 100rel, x\r\n"), 420),
        (request().replace(b"Contact: <sip:peer@192.0.2.10:5060>\r\n", b""), 400),
        (request().replace(b" SIP/2.0\r\nVia", b" SIP/9.0\r\nVia"), 505),
        (request().replace(b"Content-Length: 0", b"Content-Length: 1"), 400),
        (request().replace(b"sip:reception@192.0.2.1 SIP", b"sip: space@h SIP"), 400),
    ],
)
def test_what_is_answered_without_a_call(data, status):
    wire = Wire()
    assert [one.status for one in wire.receive(data)] == [status]
    assert wire.events == []


def test_unsupported_extensions_are_named():
    (answer,) = Wire().receive(request("INVITE", extra="Require: 100rel, x\r\n"))
    assert answer.headers.get("Unsupported") == "x"


@pytest.mark.parametrize(
    "data", [b"\0\0\0\0\0", b"hello world\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", request("ACK"), request("ACK")[:60]]
)
def test_what_is_dropped(data):
    assert Wire().receive(data) == []


def test_a_merged_request_is_a_loop():
    """RFC 3261 section 8.2.2.2: the same request over another path."""
    wire = Wire()
    wire.receive(request(body=OFFER))
    (answer,) = wire.receive(request(body=OFFER, branch="z9hG4bKother"))
    assert answer.status == 482


def test_a_peer_of_rfc_2543_is_matched_by_its_headers():
    wire = Wire()
    old = request(body=OFFER, branch="1")
    wire.receive(old)
    wire.act(wire.events[0].session.ring)
    assert [one.status for one in wire.receive(old)] == [180]
    assert len(wire.events) == 1


def test_options_says_503_while_draining():
    wire = Wire()
    wire.core.draining = True
    (answer,) = wire.receive(request("OPTIONS"))
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "30")


def test_nothing_is_left_when_a_call_is_over():
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=incoming.session.dialog.local.tag))
    assert isinstance(wire.events[-1], Ended)
    wire.run(60)
    assert len(wire.core) == 0
    assert wire.core.deadline() is None


@pytest.mark.parametrize("data", [
    request(body=OFFER).replace(b"<sip:peer@192.0.2.10:5060>", b"<si\x05p:peer>"),
    request(body=OFFER, extra="Session-Expires: x\r\n"),
    request(body=OFFER, extra="Replaces: x;to-tag=\r\nSession-Expires: 1;refresher=x\r\n"),
])  # fmt: skip
def test_what_turns_out_to_be_unreadable_late_leaves_nothing_behind(data):
    wire = Wire()
    assert wire.receive(data)[0].status in (400, 481)
    wire.run(100)
    assert len(wire.core) == 0


def test_a_bye_answers_the_offer_that_was_still_open():
    """RFC 3261 section 15.1.2."""
    wire = Wire()
    session = answered(wire).session
    tag = session.dialog.local.tag
    wire.receive(request("UPDATE", cseq=2, branch="z9hG4bKu", to_tag=tag, body=OFFER))
    answers = wire.receive(request("BYE", cseq=3, branch="z9hG4bKb", to_tag=tag))
    assert [(one.status, one.cseq.method) for one in answers] == [(200, "BYE"), (487, "UPDATE")]
    wire.run(100)
    assert len(wire.core) == 0
