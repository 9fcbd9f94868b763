"""A transfer is what the NOTIFYs say (RFC 3515)."""

from ipaddress import ip_network

import pytest

from gateway.errors import SipParseError
from gateway.sip import Cause, Referred, Trunk, Uri
from gateway.sip.invite.refer import IncomingRefer, OutgoingRefer, State
from tests.wire import Wire, answered, asked, request


def transferring(wire):
    incoming = answered(wire)
    (refer,) = wire.act(lambda now: incoming.session.refer("sip:billing@192.0.2.1", now))
    assert refer.headers.get("Refer-To") == "<sip:billing@192.0.2.1>"
    return incoming.session, refer


def notify(session, fragment, cseq, subscription="active", event="refer"):
    extra = f"Event: {event}\r\nSubscription-State: {subscription}\r\n"
    tag, body = session.dialog.local.tag, fragment.encode()
    return request("NOTIFY", cseq=cseq, branch=f"z9hG4bKn{cseq}", to_tag=tag, extra=extra, body=body)


def test_the_last_notify_is_the_outcome_and_the_202_is_not():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    assert not session.outgoing_refer.done
    for cseq, line in enumerate(("SIP/2.0 100 Trying", "SIP/2.0 180 Ringing"), 2):
        assert wire.receive(notify(session, line, cseq))[0].status == 200
        assert not session.outgoing_refer.done
    wire.receive(notify(session, "SIP/2.0 200 OK", 4, "terminated;reason=noresource"))
    assert (session.outgoing_refer.done, session.outgoing_refer.status) == (True, 200)
    assert [type(event).__name__ for event in wire.events].count("ReferProgress") == 4


@pytest.mark.parametrize(("answer", "status"), [(603, 603), (405, 405)])
def test_a_refused_refer_is_over_and_the_call_goes_on(answer, status):
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(answer).serialize())
    assert (session.outgoing_refer.done, session.outgoing_refer.status) == (True, status)
    assert session.state.value == "confirmed"


def test_a_failed_target_is_told():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(notify(session, "SIP/2.0 486 Busy Here", 2, "terminated"))
    assert (session.outgoing_refer.status, session.outgoing_refer.reason) == (486, "Busy Here")


def test_a_peer_that_never_notifies_is_given_up_after_a_minute():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.run(59)
    assert not session.outgoing_refer.done
    wire.run(2)
    assert (session.outgoing_refer.done, session.outgoing_refer.status) == (True, 408)


def test_a_notify_may_overtake_the_202():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(notify(session, "SIP/2.0 200 OK", 2, "terminated"))
    wire.receive(refer.respond(202).serialize())
    assert session.outgoing_refer.status == 200


def test_only_one_transfer_at_a_time():
    wire = Wire()
    session, refer = transferring(wire)
    assert session.refer("sip:x@h", wire.now) is None
    wire.receive(refer.respond(603).serialize())
    assert session.refer("sip:x@h", wire.now) is not None


def test_a_notify_of_something_else_is_481():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    assert wire.receive(notify(session, "SIP/2.0 200 OK", 2, event="presence"))[0].status == 481
    assert wire.receive(notify(session, "SIP/2.0 200 OK", 3, event="refer;id=99"))[0].status == 481
    assert not session.outgoing_refer.done


def test_a_subscription_that_ends_without_a_word_has_failed():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(notify(session, "SIP/2.0 180 Ringing", 2, "terminated"))
    assert (session.outgoing_refer.done, session.outgoing_refer.status) == (True, 487)


def test_the_caller_may_hang_up_in_the_middle():
    wire = Wire()
    session, refer = transferring(wire)
    wire.receive(refer.respond(202).serialize())
    wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=session.dialog.local.tag))
    assert wire.events[-1].cause == Cause.BYE
    wire.run(120)
    assert len(wire.core) == 0


def test_nothing_changes_once_it_is_done():
    outgoing_refer = OutgoingRefer("sip:x@h", 1)
    outgoing_refer.give_up()
    outgoing_refer.receive_response(None)
    assert (outgoing_refer.state, outgoing_refer.status) == (State.DONE, 408)


# the other way round: a REFER of the peer's

HOME = Trunk("home", (ip_network("192.0.2.0/24"),), follow_refer=True)


def referred(trunk=HOME, extra="Refer-To: <sip:ann@192.0.2.77>\r\n"):
    """A call of `trunk` in which the peer has sent a REFER: the wire, the session, what left."""
    wire = Wire()
    wire.core.trunks.use((trunk,))
    session = answered(wire).session
    return wire, session, wire.receive(asked(wire, "REFER", session, 2, extra=extra))


def frag(message):
    return message.headers.get("Subscription-State"), message.body.decode().strip()


def test_nobody_sends_our_agents_elsewhere_unless_the_trunk_says_so():
    wire, session, sent = referred(Trunk("home", HOME.peers))
    assert [one.status for one in sent] == [603]
    assert not [event for event in wire.events if isinstance(event, Referred)]
    assert "REFER" not in wire.sent[1].message.headers.get("Allow")
    assert session.state.value == "confirmed"


def test_a_refer_is_followed_and_every_step_is_told():
    extra = "Refer-To: <sip:ann@192.0.2.77?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>\r\nReferred-By: <sip:boss@h>\r\n"
    wire, session, (accepted, trying) = referred(extra=extra)
    assert "REFER" in wire.sent[1].message.headers.get("Allow")  # of the 200 to the INVITE
    assert accepted.status == 202
    assert (trying.method, trying.headers.get("Event")) == ("NOTIFY", "refer")
    assert frag(trying) == ("active;expires=180", "SIP/2.0 100 Trying")
    event = wire.events[-1]
    assert isinstance(event, Referred)
    assert str(event.incoming_refer.target) == "sip:ann@192.0.2.77"
    assert event.incoming_refer.replaces == "a@b;to-tag=1;from-tag=2"
    assert event.incoming_refer.referred_by == "<sip:boss@h>"
    (ringing,) = wire.act(lambda now: session.tell_referrer(180, now))
    assert frag(ringing) == ("active;expires=180", "SIP/2.0 180 Ringing")
    (done,) = wire.act(lambda now: session.tell_referrer(200, now))
    assert frag(done) == ("terminated;reason=noresource", "SIP/2.0 200 OK")
    assert wire.act(lambda now: session.tell_referrer(200, now)) == []  # it is over


def test_a_second_refer_has_to_wait_and_then_has_a_number():
    wire, session, _ = referred()
    again = "Refer-To: <sip:bob@192.0.2.77>\r\n"
    (refused,) = wire.receive(asked(wire, "REFER", session, 3, extra=again))
    assert refused.status == 491
    wire.act(lambda now: session.tell_referrer(486, now))
    _, trying = wire.receive(asked(wire, "REFER", session, 4, extra=again))
    assert trying.headers.get("Event") == "refer;id=4"


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("sip:ann@192.0.2.10", True),  # who sent the REFER
        ("sip:ann@192.0.2.200", True),  # another of the trunk's peers
        ("sip:ann@pbx.example", True),  # the trunk's server
        ("sip:ann@example.org", True),  # its domain
        ("tel:+15550100", True),
        ("sip:ann@198.51.100.1", False),
        ("sip:premium@elsewhere.example", False),
        ("https://example.org", False),
    ],
)
def test_a_trunk_may_send_us_within_its_own_walls(target, allowed):
    trunk = Trunk("home", HOME.peers, server=Uri.parse("sip:pbx.example"), domain="example.org", follow_refer=True)
    _, _, sent = referred(trunk, f"Refer-To: <{target}>\r\n")
    assert sent[0].status == (202 if allowed else 603)


@pytest.mark.parametrize("extra", ["", "Refer-To: <sip:a@192.0.2.1>\r\nRefer-To: <sip:b@192.0.2.1>\r\n"])
def test_a_refer_without_one_target_is_400(extra):
    _, session, (refused,) = referred(extra=extra)
    assert refused.status == 400
    assert session.state.value == "confirmed"


def test_who_wants_no_notify_gets_none():
    """RFC 4488."""
    wire, session, (accepted,) = referred(extra="Refer-To: <sip:ann@192.0.2.77>\r\nRefer-Sub: false\r\n")
    assert (accepted.status, accepted.headers.get("Refer-Sub")) == (202, "false")
    assert wire.act(lambda now: session.tell_referrer(200, now)) == []


def test_a_peer_that_knows_nothing_of_its_subscription_stays_on_the_line():
    wire, session, (_, trying) = referred()
    wire.receive(trying.respond(481).serialize())
    assert session.state.value == "confirmed"


def test_what_cannot_be_read_is_said():
    _, session, _ = referred()
    with pytest.raises(SipParseError, match="one Refer-To"):
        IncomingRefer(session.request, first=True)
