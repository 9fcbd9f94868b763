"""Reliable provisional responses on a fake clock (RFC 3262)."""

from ipaddress import ip_network

import pytest

from gateway.sip import Cause, Incoming, Trunk
from tests.wire import OFFER, Wire, calling, request

RELIABLE = "Require: 100rel\r\n"


def ringing(body=OFFER):
    wire = Wire()
    wire.receive(request(body=body, extra=RELIABLE))
    session = wire.events[0].session
    sent = wire.act(session.ring)
    return wire, session, sent


def prack(session, rack, cseq=2):
    tag = session.dialog.local.tag
    return request("PRACK", cseq=cseq, branch=f"z9hG4bKp{cseq}", to_tag=tag, extra=f"RAck: {rack}\r\n")


def test_it_is_resent_until_prack_comes():
    wire, session, (ring,) = ringing()
    assert (ring.headers.get("Require"), ring.headers.get("RSeq")) == ("100rel", "1")
    wire.run(4)
    assert wire.times(180) == [0, 0.5, 1.5, 3.5]
    assert [one.status for one in wire.receive(prack(session, "1 1 INVITE"))] == [200]
    wire.run(60)
    assert wire.times(180) == [0, 0.5, 1.5, 3.5]
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert ok.status == 200


def test_a_prack_for_something_else_is_481():
    wire, session, _ = ringing()
    for number, rack in enumerate(("2 1 INVITE", "1 9 INVITE", "1 1 BYE", "", "1 1"), 2):
        assert wire.receive(prack(session, rack, number))[0].status == 481
    assert wire.receive(prack(session, "1 1 INVITE", 9))[0].status == 200
    assert wire.receive(prack(session, "1 1 INVITE", 10))[0].status == 481


def test_a_caller_that_never_acknowledges_is_refused():
    wire, session, _ = ringing()
    wire.run(33)
    assert 504 in [getattr(one.message, "status", 0) for one in wire.sent]
    assert (wire.events[-1].session, wire.events[-1].cause) == (session, Cause.NO_PRACK)


def test_an_answer_or_a_cancel_ends_the_resending():
    wire, session, _ = ringing()
    wire.act(lambda now: session.answer(b"v=0\r\n", now))
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=session.dialog.local.tag))
    wire.run(20)
    assert wire.times(180) == [0]
    wire, session, _ = ringing()
    wire.receive(request("CANCEL"))
    wire.run(60)
    assert wire.times(180) == [0]
    assert len(wire.core) == 0


def test_without_an_offer_there_is_no_early_word():
    wire, session, sent = ringing(body=b"")
    assert sent == []
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert ok.status == 200


EARLY = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"


def early(extra="", prack="supported"):
    """A call that is answered early: 183 with SDP."""
    wire = Wire()
    wire.core.trunks.use((Trunk("t", (ip_network("192.0.2.10"),), prack=prack),))
    wire.receive(request(body=OFFER, extra=extra))
    session = next(event.session for event in wire.events if isinstance(event, Incoming))
    (ring,) = wire.act(lambda now: session.ring(now, EARLY))
    return wire, session, ring


def test_early_media_is_183_with_our_answer():
    wire, session, ring = early()
    assert (ring.status, ring.body, ring.headers.get("Require")) == (183, EARLY, None)
    (ok,) = wire.act(lambda now: session.answer(EARLY, now))
    assert (ok.status, ok.body) == (200, EARLY)


def test_a_reliable_183_with_sdp_is_acknowledged_before_the_call_is_answered():
    """RFC 3262 section 3."""
    wire, session, ring = early(RELIABLE)
    assert (ring.status, ring.headers.get("RSeq")) == (183, "1")
    assert wire.act(lambda now: session.answer(EARLY, now)) == []
    answers = wire.receive(prack(session, "1 1 INVITE"))
    assert [one.status for one in answers] == [200, 200]
    assert [str(one.cseq) for one in answers] == ["2 PRACK", "1 INVITE"]


def test_a_trunk_may_ask_for_them_where_the_peer_can_and_may_not_have_them_at_all():
    assert early("Supported: 100rel\r\n", "required")[2].headers.get("Require") == "100rel"
    assert early("", "required")[2].headers.get("Require") is None
    assert early("Supported: 100rel\r\n", "supported")[2].headers.get("Require") is None
    wire = Wire()
    wire.core.trunks.use((Trunk("t", (ip_network("192.0.2.10"),), prack="off"),))
    (refused,) = wire.receive(request(body=OFFER, extra=RELIABLE))
    assert (refused.status, refused.headers.get("Unsupported")) == (420, "100rel")


@pytest.mark.parametrize(
    ("prack", "supported", "required"),
    [("off", "replaces, timer", None), ("supported", "100rel, replaces, timer", None),
     ("required", "100rel, replaces, timer", "100rel")],
)  # fmt: skip
def test_what_a_call_of_ours_says_of_them(prack, supported, required):
    wire = Wire()
    invite = calling(wire, trunk=Trunk("t", prack=prack))
    assert (", ".join(invite.headers.all("Supported")), invite.headers.get("Require")) == (supported, required)
