"""What both sides of a call do: offers of ours, glare, challenges, keys."""

import pytest

from gateway.sip import Credentials, Reanswered, ReofferRefused
from gateway.sip.dialog.session import State
from gateway.sip.invite.refer import State as ReferState
from gateway.sip.register.digest import Login
from tests.wire import OFFER, Wire, answered, asked, picked_up, response

HOLD = OFFER + b"a=sendonly\r\n"


def both(name):
    wire = Wire()
    session = picked_up(wire) if name == "caller" else answered(wire).session
    wire.sent.clear()
    wire.events.clear()
    return wire, session


SIDES = pytest.mark.parametrize("side", ["caller", "callee"])


@SIDES
def test_we_hold_and_resume(side):
    wire, session = both(side)
    for body in (HOLD, OFFER):
        (invite,) = wire.act(lambda now, body=body: session.reoffer(body, now))
        assert (invite.method, invite.body, invite.to.tag) == ("INVITE", body, session.dialog.remote.tag)
        (ack,) = wire.receive(response(invite, 200, session.dialog.remote.tag, b"v=0\r\n"))
        assert (ack.method, ack.cseq.number) == ("ACK", invite.cseq.number)
        assert wire.events[-1] == Reanswered(session, b"v=0\r\n")
        assert [one.method for one in wire.receive(response(invite, 200, session.dialog.remote.tag))] == ["ACK"]
    assert len(wire.events) == 2


@SIDES
def test_a_refused_offer_leaves_the_call_up(side):
    wire, session = both(side)
    (invite,) = wire.act(lambda now: session.reoffer(HOLD, now))
    assert wire.act(lambda now: session.reoffer(HOLD, now)) == []  # one at a time
    (ack,) = wire.receive(response(invite, 488, session.dialog.remote.tag))
    assert ack.method == "ACK"
    assert wire.events == [ReofferRefused(session, 488)]
    assert session.state is State.CONFIRMED
    assert len(wire.act(lambda now: session.reoffer(HOLD, now))) == 1


@pytest.mark.parametrize(("side", "wait"), [("caller", 3.05), ("callee", 1.0)])
def test_glare(side, wait):
    """RFC 3261 section 14.1: who made the Call-ID waits 2.1 to 4 s, the other at most 2."""
    wire, session = both(side)
    (invite,) = wire.act(lambda now: session.reoffer(HOLD, now))
    (refusal,) = wire.receive(asked(wire, "INVITE", session, 10, OFFER))
    assert refusal.status == 491
    wire.receive(response(invite, 491, session.dialog.remote.tag))
    wire.run(10)
    assert wire.times("INVITE")[1] == pytest.approx(wait)
    assert wire.events == []


@SIDES
def test_an_offer_that_is_asked_for(side):
    wire, session = both(side)
    (invite,) = wire.act(lambda now: session.reoffer(b"", now))
    assert wire.receive(response(invite, 200, session.dialog.remote.tag, OFFER)) == []
    assert wire.events == [Reanswered(session, OFFER)]
    (ack,) = wire.act(lambda now: session.acknowledge(b"v=0\r\n", now))
    assert (ack.method, ack.body) == ("ACK", b"v=0\r\n")


@SIDES
def test_a_challenge_in_mid_call_is_answered(side):
    wire, session = both(side)
    session.login = Login(Credentials("me", "secret"))
    challenge = {"Proxy_Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}
    (refer,) = wire.act(lambda now: session.refer("sip:b@c", now))
    (again,) = wire.receive(response(refer, 407, session.dialog.remote.tag, **challenge))
    assert (again.method, again.cseq.number) == ("REFER", refer.cseq.number + 1)
    assert again.headers.get("Refer-To") == "<sip:b@c>"
    assert 'username="me"' in again.headers.get("Proxy-Authorization")
    wire.receive(response(again, 202, session.dialog.remote.tag))
    assert session.outgoing_refer.state is ReferState.FOLLOWED


@SIDES
def test_the_peer_does_not_know_the_dialog_any_more(side):
    wire, session = both(side)
    (invite,) = wire.act(lambda now: session.reoffer(HOLD, now))
    wire.receive(response(invite, 481, session.dialog.remote.tag))
    assert session.state is State.ENDED


@SIDES
def test_refer_with_replaces_names_the_other_call(side):
    """RFC 3891: to-tag is the one of whoever gets the INVITE."""
    wire, session = both(side)
    other = picked_up(wire) if side == "callee" else answered(wire).session
    refer = wire.act(lambda now: session.refer("sip:carol@192.0.2.10", now, replaces=other))[-1]
    dialog = other.dialog
    value = f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"
    escaped = value.replace(";", "%3B").replace("=", "%3D").replace("@", "%40")
    assert refer.headers.get("Refer-To") == f"<sip:carol@192.0.2.10?Replaces={escaped}>"


@SIDES
def test_a_key_goes_by_info(side):
    wire, session = both(side)
    (sent,) = wire.act(lambda now: session.send_digit("5", now))
    assert (sent.method, sent.body) == ("INFO", b"Signal=5\r\nDuration=160\r\n")
