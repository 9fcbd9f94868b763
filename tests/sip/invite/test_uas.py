import contextlib
from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.errors import SipParseError
from gateway.sip import Cause, Confirmed, Ended, Incoming, Reoffered, Trunk
from gateway.sip.core import Send
from gateway.sip.dialog.session import State
from gateway.sip.flow import Flow
from gateway.sip.message.message import parse
from gateway.sip.stack import Stack
from tests.wire import OFFER, UDP, Wire, answered, request


def tag(incoming):
    return incoming.session.dialog.local.tag


def kinds(wire):
    return [type(event).__name__ for event in wire.events]


def test_the_2xx_is_resent_until_the_ack():
    wire = Wire()
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    wire.run(4)
    assert wire.times(200) == [0, 0.5, 1.5, 3.5]
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=session.dialog.local.tag))
    wire.run(60)
    assert len(wire.times(200)) == 4
    assert kinds(wire) == ["Incoming", "Confirmed"]


def test_a_call_that_is_never_acknowledged_ends_with_bye():
    """RFC 3261 section 13.3.1.4."""
    wire = Wire()
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    wire.run(40)
    assert wire.times("BYE")[0] == 32.0
    assert wire.events[-1] == Ended(session, Cause.NO_ACK)


def test_cancel_gets_200_and_the_invite_487():
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.act(wire.events[0].session.ring)
    statuses = [(one.status, one.cseq.method) for one in wire.receive(request("CANCEL"))]
    assert statuses == [(200, "CANCEL"), (487, "INVITE")]
    assert wire.events[-1].cause == Cause.CANCELLED


def test_cancel_that_crosses_the_200_changes_nothing():
    wire = Wire()
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert [one.status for one in wire.receive(request("CANCEL"))] == [200]
    assert session.state is State.ANSWERED


def test_our_bye_waits_for_the_ack():
    """RFC 3261 section 15."""
    wire = Wire()
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert wire.act(session.bye) == []
    (bye,) = wire.receive(request("ACK", branch="z9hG4bKack", to_tag=session.dialog.local.tag))
    assert bye.method == "BYE"


def test_bye_crossing_bye_ends_both_sides_well():
    wire = Wire()
    incoming = answered(wire)
    (ours,) = wire.act(lambda now: incoming.session.bye(now, 'SIP;cause=200;text="done"'))
    assert ours.headers.get("Reason") == 'SIP;cause=200;text="done"'
    (answer,) = wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=tag(incoming)))
    assert answer.status == 481  # the dialog ended with our BYE
    wire.receive(ours.respond(200).serialize())
    wire.run(60)
    assert len(wire.core) == 0


def test_bye_before_the_answer_ends_the_invite_with_487():
    wire = Wire()
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.act(session.ring)
    answers = wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=session.dialog.local.tag))
    assert [(one.status, one.cseq.method) for one in answers] == [(200, "BYE"), (487, "INVITE")]
    assert wire.events[-1].cause == Cause.BYE


def test_a_reinvite_is_answered_within_the_call():
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request(cseq=2, branch="z9hG4bKre", to_tag=tag(incoming), body=OFFER))
    assert wire.events[-1] == Reoffered(incoming.session, OFFER)
    (ok,) = wire.act(lambda now: incoming.session.answer(b"v=0\r\n", now))
    assert (ok.status, str(ok.cseq)) == (200, "2 INVITE")
    wire.receive(request("ACK", cseq=2, branch="z9hG4bKack2", to_tag=tag(incoming)))
    wire.run(60)
    assert wire.times(200)[-1] == 0
    assert kinds(wire).count("Confirmed") == 1


def test_a_refused_reinvite_leaves_the_call_up():
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request(cseq=2, branch="z9hG4bKre", to_tag=tag(incoming), body=OFFER))
    (refusal,) = wire.act(lambda now: incoming.session.refuse_reoffer(488, now))
    assert refusal.status == 488
    assert incoming.session.state is State.CONFIRMED


def test_an_overlapping_reinvite_has_to_wait():
    """RFC 3261 section 14.2: 500 with Retry-After."""
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request(cseq=2, branch="z9hG4bKre", to_tag=tag(incoming), body=OFFER))
    (busy,) = wire.receive(request(cseq=3, branch="z9hG4bKre2", to_tag=tag(incoming), body=OFFER))
    assert (busy.status, "Retry-After" in busy.headers) == (500, True)


def test_a_request_out_of_order_is_500():
    wire = Wire()
    incoming = answered(wire)
    (answer,) = wire.receive(request("OPTIONS", cseq=1, branch="z9hG4bKo", to_tag=tag(incoming)))
    assert answer.status == 500


def test_verbs_that_come_too_late_do_nothing():
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=tag(incoming)))
    session = incoming.session
    for verb in (session.ring, session.bye, lambda now: session.answer(b"", now), lambda now: session.reject(486, now)):
        assert wire.act(verb) == []
    assert session.refer("sip:x@h", 0) is None


def test_a_transfer_target_has_to_be_a_uri():
    wire = Wire()
    incoming = answered(wire)
    with pytest.raises(SipParseError):
        incoming.session.refer("sip:x@h>\r\nEvil: 1", 0)


def test_the_answer_to_a_delayed_offer_comes_with_the_ack():
    wire = Wire(flow=UDP)
    wire.receive(request())
    session = wire.events[0].session
    assert session.offer == b""
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=session.dialog.local.tag, body=OFFER))
    assert wire.events[-1] == Confirmed(session, OFFER)


def test_sdp_is_found_in_a_multipart_body():
    body = (
        b"--x\r\nContent-Type: application/isup\r\n\r\n\1\2\r\n--x\r\nContent-Type: application/sdp\r\n\r\n"
        + OFFER + b"\r\n--x--\r\n"
    )  # fmt: skip
    data = request(body=body).replace(b"application/sdp\r\nContent-L", b'multipart/mixed;boundary="x"\r\nContent-L')
    assert parse(data).sdp == OFFER


def test_the_answer_to_the_offer_of_a_reinvite_comes_with_its_ack():
    wire = Wire()
    incoming = answered(wire)
    wire.receive(request(cseq=2, branch="z9hG4bKre", to_tag=tag(incoming)))
    wire.act(lambda now: incoming.session.answer(b"v=0\r\n", now))
    ack = request("ACK", cseq=2, branch="z9hG4bKack2", to_tag=tag(incoming), body=OFFER)
    wire.receive(ack)
    wire.receive(ack)  # the network may deliver it twice
    assert kinds(wire).count("Reanswered") == 1
    assert wire.events[-1].body == OFFER


def test_a_peer_may_not_send_us_elsewhere():
    wire = Wire()
    incoming = answered(wire)
    extra = "Refer-To: <sip:elsewhere@example.org>\r\n"
    (answer,) = wire.receive(request("REFER", cseq=2, branch="z9hG4bKr", to_tag=tag(incoming), extra=extra))
    assert answer.status == 603
    assert incoming.session.state is State.CONFIRMED


def test_a_body_that_is_no_session_description_is_415():
    data = request(body=b"hello").replace(b"application/sdp", b"text/plain")
    (answer,) = Wire().receive(data)
    assert (answer.status, answer.headers.get("Accept")) == (
        415,
        "application/sdp, multipart/mixed, multipart/alternative",
    )


PUBLIC = Flow("udp", ("203.0.113.5", 31000), ("192.0.2.1", 5060))


def our_bye(flow, change=(b"", b""), trunk=None):
    """Where our BYE goes in a call that came by `flow`."""
    wire = Wire(flow=flow)
    wire.stack = Stack(user_agent="test", trunks=(trunk,) if trunk else (), open_to_all=True)
    wire.receive(request(body=OFFER, transport=flow.transport.upper()).replace(*change))
    incoming = next(event for event in wire.events if isinstance(event, Incoming))
    wire.act(lambda now: incoming.session.answer(b"v=0\r\n", now))
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=tag(incoming)).replace(*change))
    incoming.session.bye(wire.now)
    return next(one.flow for one in wire.core.actions() if isinstance(one, Send) and one.data.startswith(b"BYE"))


PRIVATE = (b"192.0.2.10", b"192.168.1.7")
ROUTED = (
    b"Contact: <sip:peer@192.0.2.10:5060>",
    b"Contact: <sip:peer@192.168.1.7>\r\nRecord-Route: <sip:198.51.100.1;lr>",
)


@pytest.mark.parametrize(
    ("flow", "change", "remote"),
    [
        (UDP, (b"", b""), ("192.0.2.10", 5060)),
        (PUBLIC, PRIVATE, PUBLIC.remote),  # a telephone behind a NAT
        (
            PUBLIC,
            (b"192.0.2.10:5060;b", b"203.0.113.5:5060;b"),
            PUBLIC.remote,
        ),  # that knows its address and not its port
        (PUBLIC, ROUTED, ("198.51.100.1", 5060)),  # a proxy that asked for what follows
        (PUBLIC, (b"<sip:peer@192.0.2.10:5060>", b"<sip:peer@203.0.113.99>"), PUBLIC.remote),
        (replace(UDP, transport="tcp", connection=4), PRIVATE, UDP.remote),
    ],
)
def test_requests_go_where_they_arrive(flow, change, remote):
    assert our_bye(flow, change).remote == remote


def test_over_tcp_the_connection_is_used_that_is_open():
    flow = Flow("tcp", ("203.0.113.5", 49152), ("192.0.2.1", 5060), connection=4)
    assert our_bye(flow, PRIVATE) == flow
    assert our_bye(flow, (b"<sip:peer@192.0.2.10:5060>", b"<sip:peer@203.0.113.5:5060;transport=tcp>")) == flow


def test_a_trunk_may_be_taken_at_its_word():
    trunk = Trunk("strict", (ip_network("203.0.113.0/24"),), nat="off")
    assert our_bye(PUBLIC, PRIVATE, trunk).remote == ("192.168.1.7", 5060)


def test_a_nat_that_forgets_is_followed():
    wire = Wire(flow=PUBLIC)
    wire.stack = Stack(user_agent="test", open_to_all=True)
    incoming = answered(wire)
    wire.flow = replace(PUBLIC, remote=("203.0.113.5", 31999))
    wire.receive(request("OPTIONS", cseq=2, branch="z9hG4bKo", to_tag=tag(incoming)))
    incoming.session.bye(wire.now)
    assert any(isinstance(one, Send) and one.flow.remote == ("203.0.113.5", 31999) for one in wire.core.actions())


def test_a_reinvite_may_not_send_us_to_what_cannot_be_called():
    wire = Wire()
    incoming = answered(wire)
    data = request(cseq=2, branch="z9hG4bKr", to_tag=tag(incoming), body=OFFER)
    wire.receive(data.replace(b"<sip:peer@192.0.2.10:5060>", b"<mailto:a@b.example>"))
    assert str(incoming.session.dialog.remote_target) == "sip:peer@192.0.2.10:5060"


def test_a_fault_in_one_calls_timer_costs_no_other_its_own():
    wire = Wire()
    first = answered(wire).session
    wire.receive(request(body=OFFER, branch="z9hG4bKtwo").replace(b"one@", b"two@"))
    second = wire.events[-1].session
    wire.act(lambda now: second.answer(b"v=0\r\n", now))

    def fails(timer, now):
        raise RuntimeError("a bug")

    first.expire = fails
    wire.core.timers.set((first, "SESSION"), 0.4)
    with pytest.raises(RuntimeError):
        wire.run(0.6)
    wire.now = 0.6
    with contextlib.suppress(RuntimeError):
        wire.core.expire(0.6)
    wire.drain()
    assert len(wire.times(200)) >= 2  # the 200 that waits for its ACK was sent again
