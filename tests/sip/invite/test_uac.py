"""Outgoing calls on a fake clock."""

import pytest

from gateway.errors import TrunkBusy
from gateway.sip import Answered, Cause, Credentials, Ended, Progress, Rejected, Reoffered, Trunk
from gateway.sip.dialog.session import State
from gateway.sip.flow import Flow
from gateway.sip.message.uri import Uri
from gateway.sip.register.digest import Login
from tests.wire import OFFER, UDP, Wire, asked, calling, picked_up, response

SECOND = Flow("udp", ("192.0.2.20", 5060), ("192.0.2.1", 5060))


def methods(sent):
    return [getattr(one, "method", "") or one.status for one in sent]


def told(wire, kind):
    return [event for event in wire.events if isinstance(event, kind)]


def test_it_rings_is_answered_and_hung_up():
    wire = Wire()
    invite = calling(wire)
    assert (str(invite.uri), invite.from_.tag, invite.to.tag) == ("sip:5551234@192.0.2.10", "t2", "")
    assert str(invite.contact) == "<sip:gateway@192.0.2.1:5060>"
    assert {"Allow", "Supported", "Session-Expires", "Content-Type"} <= {name for name, _ in invite.headers}
    assert wire.receive(response(invite, 100)) == []
    assert wire.receive(response(invite, 180)) == []
    wire.run(20)
    (ack,) = wire.receive(response(invite, 200, body=b"v=0\r\n"))
    assert (ack.method, str(ack.cseq), str(ack.uri)) == ("ACK", "1 ACK", "sip:peer-p1@192.0.2.10:5070")
    assert ack.via.branch != invite.via.branch
    session = wire.events[0].session
    assert wire.events == [Progress(session, 180, b""), Answered(session, b"v=0\r\n")]
    (bye,) = wire.act(session.bye)
    assert (bye.method, str(bye.cseq), bye.to.tag) == ("BYE", "2 BYE", "p1")
    wire.receive(bye.respond(200).serialize())
    wire.run(60)
    assert len(wire.core) == 0
    assert session.state is State.ENDED


def test_the_2xx_again_gets_the_same_ack_again():
    wire = Wire()
    invite = calling(wire)
    ok = response(invite, 200)
    (first,) = wire.receive(ok)
    (second,) = wire.receive(ok)
    assert first.serialize() == second.serialize()
    assert len(told(wire, Answered)) == 1


def test_the_route_set_is_reversed():
    wire = Wire()
    invite = calling(wire)
    (ack,) = wire.receive(response(invite, 200, Record_Route="<sip:near;lr>, <sip:far;lr>"))
    assert ack.headers.all("Route") == ["<sip:far;lr>", "<sip:near;lr>"]


def test_the_peer_hangs_up():
    wire = Wire()
    session = picked_up(wire)
    (ok,) = wire.receive(asked(wire, "BYE", session, extra="Reason: Q.850;cause=16\r\n"))
    assert ok.status == 200
    assert wire.events[-1] == Ended(session, Cause.BYE, "Q.850;cause=16")
    wire.run(60)
    assert len(wire.core) == 0


def test_a_refusal_is_told_with_its_reason():
    wire = Wire()
    invite = calling(wire)
    (ack,) = wire.receive(response(invite, 486, Reason='Q.850;cause=17;text="User busy"'))
    assert ack.method == "ACK"
    (rejected,) = told(wire, Rejected)
    assert (rejected.cause, rejected.status, rejected.reason) == (Cause.REFUSED, 486, 'Q.850;cause=17;text="User busy"')
    wire.run(60)
    assert len(wire.core) == 0


def test_nobody_picks_up():
    wire = Wire()
    invite = calling(wire, ring_seconds=20)
    wire.receive(response(invite, 180))
    wire.run(21)
    assert wire.times("CANCEL")[0] == 20.0
    cancel = next(one.message for one in wire.sent if getattr(one.message, "method", "") == "CANCEL")
    assert (cancel.via, cancel.to.tag, str(cancel.cseq)) == (invite.via, "", "1 CANCEL")
    assert told(wire, Rejected)[0].cause == Cause.NO_ANSWER
    wire.receive(cancel.respond(200).serialize())
    assert methods(wire.receive(response(invite, 487))) == ["ACK"]
    wire.run(60)
    assert len(wire.core) == 0


def test_a_cancel_waits_for_the_first_response():
    """RFC 3261 section 9.1."""
    wire = Wire()
    invite = calling(wire)
    session = wire.core._clients[invite.via.branch, "INVITE"]._sink
    assert wire.act(session.bye) == []
    assert told(wire, Rejected)[0].cause == Cause.CANCELLED
    assert methods(wire.receive(response(invite, 100))) == ["CANCEL"]


def test_a_cancel_that_crosses_the_2xx_becomes_a_bye():
    wire = Wire()
    invite = calling(wire)
    wire.receive(response(invite, 180))
    session = wire.events[0].session
    assert methods(wire.act(session.bye)) == ["CANCEL"]
    assert methods(wire.receive(response(invite, 200))) == ["ACK", "BYE"]
    assert told(wire, Answered) == []
    for one in [one.message for one in wire.sent if getattr(one.message, "method", "") in ("BYE", "CANCEL")]:
        wire.receive(one.respond(200).serialize())
    wire.run(60)
    assert len(wire.core) == 0


def test_a_cancel_that_nobody_heeds_ends_in_time():
    wire = Wire()
    invite = calling(wire, trunk=Trunk("t", ()))
    wire.receive(response(invite, 180))
    wire.act(wire.events[0].session.bye)
    wire.run(100)
    assert wire.core.trunks.calls(Trunk("t", ())) == 0
    assert len(wire.core._dialogs) == 0


def test_of_two_forks_the_first_to_answer_stays():
    wire = Wire()
    invite = calling(wire)
    wire.receive(response(invite, 180, "left"))
    wire.receive(response(invite, 183, "right", b"v=0\r\n"))
    assert methods(wire.receive(response(invite, 200, "right"))) == ["ACK"]
    ack, bye = wire.receive(response(invite, 200, "left"))
    assert (ack.method, ack.to.tag, bye.method, bye.to.tag) == ("ACK", "left", "BYE", "left")
    (session,) = {event.session for event in told(wire, Answered)}
    assert session.dialog.remote.tag == "right"
    assert methods(wire.receive(response(invite, 200, "right"))) == ["ACK"]  # resent by the winner


def test_a_flood_of_forks_is_bounded():
    wire = Wire()
    invite = calling(wire)
    for number in range(100):
        wire.receive(response(invite, 180, f"fork{number}"))
    assert len(wire.core._dialogs) == 20


def test_reliable_provisional_responses_are_acknowledged_once_and_in_order():
    """RFC 3262 section 4."""
    wire = Wire()
    invite = calling(wire)
    early = response(invite, 183, body=b"v=0\r\n", Require="100rel", RSeq="7")
    (prack,) = wire.receive(early)
    assert (prack.method, prack.headers.get("RAck"), prack.to.tag) == ("PRACK", "7 1 INVITE", "p1")
    assert wire.receive(early) == []
    assert wire.receive(response(invite, 180, Require="100rel", RSeq="9")) == []
    assert methods(wire.receive(response(invite, 180, Require="100rel", RSeq="8"))) == ["PRACK"]
    assert [event.status for event in told(wire, Progress)] == [183, 180]


def test_an_update_of_an_early_session_is_offered():
    wire = Wire()
    invite = calling(wire)
    wire.receive(response(invite, 183, body=OFFER, Require="100rel", RSeq="1"))
    session = wire.events[0].session
    dialog = next(iter(session._early.values()))
    update = asked(wire, "UPDATE", type("Early", (), {"dialog": dialog}), body=OFFER)
    assert wire.receive(update) == []
    assert isinstance(wire.events[-1], Reoffered)
    assert methods(wire.act(lambda now: session.answer(b"v=0\r\n", now))) == [200]


def test_our_offer_may_come_in_the_ack():
    """RFC 3261 section 13.2.2.4: an INVITE without an offer gets one in the 2xx."""
    wire = Wire()
    invite = calling(wire, offer=None)
    assert "Content-Type" not in invite.headers
    assert wire.receive(response(invite, 200, body=OFFER)) == []
    session = told(wire, Answered)[0].session
    (ack,) = wire.act(lambda now: session.acknowledge(b"v=0\r\n", now))
    assert (ack.method, ack.body) == ("ACK", b"v=0\r\n")


@pytest.mark.parametrize(("status", "header"), [(401, "Authorization"), (407, "Proxy-Authorization")])
def test_a_challenge_is_answered_within_the_same_call(status, header):
    wire = Wire()
    invite = calling(wire, login=Login(Credentials("me", "secret")))
    name = "WWW_Authenticate" if status == 401 else "Proxy_Authenticate"
    ack, again = wire.receive(response(invite, status, **{name: 'Digest realm="r", nonce="n", qop="auth"'}))
    assert (ack.method, again.method, str(again.cseq)) == ("ACK", "INVITE", "2 INVITE")
    assert (again.call_id, again.from_) == (invite.call_id, invite.from_)
    assert again.via.branch != invite.via.branch
    assert 'username="me"' in again.headers.get(header)
    (ack,) = wire.receive(response(again, 200))
    assert ack.headers.get(header) == again.headers.get(header)  # section 22.1
    session = told(wire, Answered)[0].session
    (bye,) = wire.act(session.bye)
    (again,) = wire.receive(response(bye, status, **{name: 'Digest realm="r", nonce="m", qop="auth"'}))
    assert (again.method, str(again.cseq)) == ("BYE", "4 BYE")
    assert 'nonce="m"' in again.headers.get(header)


def test_wrong_credentials_are_a_refusal():
    wire = Wire()
    invite = calling(wire, login=Login(Credentials("me", "wrong")))
    _, again = wire.receive(response(invite, 407, Proxy_Authenticate='Digest realm="r", nonce="n"'))
    wire.receive(response(again, 407, Proxy_Authenticate='Digest realm="r", nonce="o"'))
    assert told(wire, Rejected)[0].status == 407


def test_a_session_interval_that_is_too_small_is_raised():
    """RFC 4028 section 7.3."""
    wire = Wire()
    invite = calling(wire, session_seconds=1800)
    _, again = wire.receive(response(invite, 422, Min_SE="3600"))
    assert again.headers.get("Session-Expires") == "3600"
    wire.receive(response(again, 200, Session_Expires="3600;refresher=uac"))
    wire.run(1801)
    assert len(wire.times("UPDATE")) > 0


def test_the_next_server_is_asked_after_503_silence_or_a_broken_transport():
    for trouble in ("503", "silence", "transport"):
        wire = Wire()
        invite = calling(wire, flows=(UDP, SECOND))
        if trouble == "503":
            wire.receive(response(invite, 503))
        elif trouble == "silence":
            wire.run(4.1)
        else:
            client = wire.core._clients[invite.via.branch, "INVITE"]
            wire.act(lambda now, client=client: client.transport_failed(now))
        again = [one.message for one in wire.sent if getattr(one.message, "method", "") == "INVITE"][-1]
        assert str(again.cseq) == "2 INVITE", trouble
        wire.receive(response(again, 200))
        assert len(told(wire, Answered)) == 1


def test_who_has_rung_is_not_given_up_for_another():
    wire = Wire()
    invite = calling(wire, flows=(UDP, SECOND))
    wire.receive(response(invite, 180))
    wire.run(10)
    wire.receive(response(invite, 503))
    assert len(wire.times("INVITE")) == 1
    assert told(wire, Rejected)[0].status == 503


def test_the_slow_server_that_answers_after_all_is_hung_up():
    wire = Wire()
    slow = calling(wire, flows=(UDP, SECOND))
    wire.run(4.1)
    quick = [one.message for one in wire.sent if getattr(one.message, "method", "") == "INVITE"][-1]
    assert methods(wire.receive(response(slow, 100))) == ["CANCEL"]
    wire.receive(response(quick, 200, "quick"))
    assert methods(wire.receive(response(slow, 200, "slow"))) == ["ACK", "BYE"]
    assert told(wire, Answered)[0].session.dialog.remote.tag == "quick"


def test_a_redirection_is_followed_as_often_as_is_allowed():
    wire = Wire(ways=(SECOND,))
    invite = calling(wire, redirects=1)
    moved = response(invite, 302).replace(b"<sip:peer-p1@192.0.2.10:5070>", b"<sip:a@b>;q=0.1, <sip:new@c>;q=0.9")
    ack, again = wire.receive(moved)
    assert (ack.method, str(again.uri), again.call_id) == ("ACK", "sip:new@c", invite.call_id)
    assert [str(one) for one in wire.located] == ["sip:new@c"]
    wire.receive(response(again, 302))
    assert told(wire, Rejected)[0].status == 302


def test_who_is_nowhere_to_be_found_is_unreachable():
    wire = Wire(ways=())
    trunk = Trunk("t", (), max_calls=1)
    with pytest.raises(ValueError, match="unpack"):
        calling(wire, flows=(), hop=Uri.parse("sip:carrier.example"), trunk=trunk)
    assert [str(one) for one in wire.located] == ["sip:carrier.example"]
    (rejected,) = told(wire, Rejected)
    assert (rejected.cause, rejected.status) == (Cause.UNREACHABLE, 503)
    assert wire.core.trunks.calls(trunk) == 0


def test_a_large_invite_goes_by_tcp_and_by_udp_where_that_is_not_spoken():
    """RFC 3261 section 18.1.1."""
    wire = Wire()
    invite = calling(wire, headers=(("X-Long", "x" * 1300),))
    assert invite.via.transport == "TCP"
    client = wire.core._clients[invite.via.branch, "INVITE"]
    (again,) = wire.act(lambda now: client.transport_failed(now))
    assert (again.via.transport, str(again.cseq)) == ("UDP", "3 INVITE")


def test_a_redirection_is_a_refusal_unless_it_may_be_followed():
    wire = Wire()
    wire.receive(response(calling(wire), 302))
    (rejected,) = told(wire, Rejected)
    assert rejected.status == 302
    assert "peer-p1" in rejected.headers.get("Contact")


def test_a_trunks_limits_hold_for_outgoing_calls_too():
    wire = Wire()
    trunk = Trunk("t", (), max_calls=1)
    session = picked_up(wire, trunk=trunk)
    with pytest.raises(TrunkBusy):
        calling(wire, trunk=trunk)
    wire.act(session.bye)
    calling(wire, trunk=trunk)


def test_a_refusal_with_nonsense_in_it_is_a_refusal():
    wire = Wire()
    invite = calling(wire, redirects=1)
    wire.receive(response(invite, 302).replace(b"<sip:peer-p1@192.0.2.10:5070>", b"<si p:>;q=x, *"))
    assert told(wire, Rejected)[0].status == 302
    wire.run(60)
    assert len(wire.core) == 0
