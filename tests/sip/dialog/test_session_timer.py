"""Session timers on a fake clock (RFC 4028)."""

from ipaddress import ip_network

import pytest

from gateway.errors import SipParseError
from gateway.sip import Cause, Trunk
from gateway.sip.dialog.session_timer import SessionTimer, TooShort, granted, requested
from gateway.sip.message.message import parse
from tests.wire import OFFER, Wire, calling, request


@pytest.mark.parametrize(
    ("extra", "agreed"),
    [
        ("", None),
        ("Supported: timer\r\n", SessionTimer(1800, ours=False)),
        ("Supported: timer\r\nSession-Expires: 600\r\n", SessionTimer(600, ours=False)),
        ("Supported: timer\r\nx: 600;refresher=uas\r\n", SessionTimer(600, ours=True)),
        ("Supported: 100rel, timer\r\nSession-Expires: 600;refresher=UAC\r\n", SessionTimer(600, ours=False)),
        ("Session-Expires: 600\r\n", SessionTimer(600, ours=True)),
    ],
)
def test_who_refreshes(extra, agreed):
    """Table 2 of the RFC."""
    assert requested(parse(request(extra=extra))) == agreed


def test_an_absurd_interval_is_no_reason_to_refresh_without_end():
    assert requested(parse(request(extra="Session-Expires: 0\r\n"))) == SessionTimer(90, ours=True)
    wire, _, _ = call("Session-Expires: 0\r\n")
    wire.run(44)
    assert wire.times("UPDATE") == []
    wire.run(2)
    answer = wire.sent[-1].message.respond(422)
    answer.headers.add("Min-SE", "1")
    assert wire.receive(answer.serialize()) == []
    short = parse(request()).respond(200)
    short.headers.add("Session-Expires", "0;refresher=uac")
    assert granted(short) == SessionTimer(90, ours=True)


def test_what_is_refused():
    with pytest.raises(TooShort):
        requested(parse(request(extra="Supported: timer\r\nSession-Expires: 89\r\n")))
    for value in ("soon", "600;refresher=nobody"):
        with pytest.raises(SipParseError):
            requested(parse(request(extra=f"Session-Expires: {value}\r\n")))
    response = parse(request()).respond(200)
    assert granted(response) is None
    response.headers.add("Session-Expires", "900;refresher=uas")
    assert granted(response) == SessionTimer(900, ours=False)


def call(extra):
    wire = Wire()
    wire.receive(request(body=OFFER, extra=extra))
    session = wire.events[0].session
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    wire.receive(request("ACK", branch="z9hG4bKack", to_tag=session.dialog.local.tag))
    wire.sent.clear()
    return wire, session, ok


def update(session, cseq, body=b"", extra="Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n"):
    return request(
        "UPDATE", cseq=cseq, branch=f"z9hG4bKu{cseq}", to_tag=session.dialog.local.tag, body=body, extra=extra
    )


def test_a_peer_that_refreshes_keeps_the_call_and_one_that_stops_loses_it():
    wire, session, ok = call("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n")
    assert (ok.headers.get("Session-Expires"), ok.headers.get("Require")) == ("600;refresher=uac", "timer")
    for cseq in range(2, 6):
        wire.run(300)
        (again,) = wire.receive(update(session, cseq))
        assert (again.status, again.headers.get("Session-Expires")) == (200, "600;refresher=uac")
    assert wire.times("BYE") == []
    wire.run(600)
    assert wire.times("BYE")[0] == 1200 + 600 - 32
    assert wire.events[-1].cause == Cause.SESSION_EXPIRED


def test_a_reinvite_refreshes_too():
    wire, session, _ = call("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n")
    wire.run(300)
    extra = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n"
    tag = session.dialog.local.tag
    wire.receive(request(cseq=2, branch="z9hG4bKre", to_tag=tag, body=OFFER, extra=extra))
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert ok.headers.get("Session-Expires") == "600;refresher=uac"
    wire.receive(request("ACK", cseq=2, branch="z9hG4bKack2", to_tag=tag))
    wire.run(500)
    assert wire.times("BYE") == []


def test_when_it_is_ours_we_refresh_by_update():
    wire, _, ok = call("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n")
    assert ok.headers.get("Session-Expires") == "600;refresher=uas"
    for _ in range(5):
        wire.run(300)
        ours = wire.sent[-1].message
        assert (ours.method, ours.headers.get("Session-Expires")) == ("UPDATE", "600;refresher=uac")
        answer = ours.respond(200)
        answer.headers.add("Session-Expires", "600;refresher=uac")
        wire.receive(answer.serialize())
    assert wire.times("BYE") == []


def test_a_longer_interval_is_agreed_to_and_a_peer_without_update_gets_a_reinvite():
    wire, _, _ = call("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n")
    wire.run(300)
    refusal = wire.sent[-1].message.respond(422)
    refusal.headers.add("Min-SE", "1200")
    (again,) = wire.receive(refusal.serialize())
    assert again.headers.get("Session-Expires") == "1200;refresher=uac"
    (invite,) = wire.receive(again.respond(405).serialize())
    assert (invite.method, invite.headers.get("Session-Expires")) == ("INVITE", "1200;refresher=uac")
    assert invite.body == b"v=0\r\n"  # what was said before
    ok = invite.respond(200)
    ok.headers.add("Session-Expires", "1200;refresher=uac")
    assert [one.method for one in wire.receive(ok.serialize())] == ["ACK"]
    wire.run(600)
    assert wire.times("INVITE") == [300, 900]
    assert wire.times("BYE") == []


def test_a_peer_that_does_not_answer_the_refresh_is_gone():
    wire, _, _ = call("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n")
    wire.run(340)
    assert wire.events[-1].cause == Cause.TRANSPORT
    wire.run(100)
    assert len(wire.core) == 0


def test_too_short_an_interval_is_422():
    for method in ("INVITE",):
        (answer,) = Wire().receive(request(method, body=OFFER, extra="Supported: timer\r\nSession-Expires: 30\r\n"))
        assert (answer.status, answer.headers.get("Min-SE")) == (422, "90")
    wire, session, _ = call("Supported: timer\r\n")
    (answer,) = wire.receive(update(session, 2, extra="Supported: timer\r\nSession-Expires: 30\r\n"))
    assert answer.status == 422


def test_an_update_with_an_offer_is_answered_without_an_ack():
    wire, session, _ = call("")
    wire.receive(update(session, 2, OFFER, extra=""))
    assert type(wire.events[-1]).__name__ == "Reoffered"
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert (ok.status, ok.cseq.method, ok.body) == (200, "UPDATE", b"v=0\r\n")
    wire.run(60)
    assert wire.times(200) == [0]
    assert wire.times("BYE") == []


def test_without_timers_a_call_may_last():
    wire, _, ok = call("")
    assert "Session-Expires" not in ok.headers
    wire.run(100_000)
    assert wire.times("BYE") == []


@pytest.mark.parametrize(
    ("refresher", "extra", "ours"),
    [
        ("us", "Supported: timer\r\nSession-Expires: 600\r\n", True),
        ("them", "Supported: timer\r\nSession-Expires: 600\r\n", False),
        ("us", "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n", False),  # it has said so itself
        ("us", "Supported: timer\r\n", True),
        ("them", "Session-Expires: 600\r\n", True),  # who knows nothing of timers refreshes none
    ],
)
def test_a_trunk_says_who_refreshes_where_that_is_for_us_to_say(refresher, extra, ours):
    trunk = Trunk("t", session_refresher=refresher)
    assert requested(parse(request(extra=extra)), trunk).ours is ours


def test_the_shortest_timer_of_a_trunk_and_what_calls_of_ours_ask_for():
    trunk = Trunk("t", session_min_seconds=1200, session_seconds=1800, session_refresher="them")
    with pytest.raises(TooShort):
        requested(parse(request(extra="Supported: timer\r\nSession-Expires: 600\r\n")), trunk)
    wire = Wire()
    invite = calling(wire, trunk=trunk)
    assert (invite.headers.get("Session-Expires"), invite.headers.get("Min-SE")) == ("1800;refresher=uas", "1200")
    wire = Wire()
    wire.core.trunks.use((Trunk("t", (ip_network("192.0.2.10"),), session_min_seconds=1200),))
    (refused,) = wire.receive(request(body=OFFER, extra="Supported: timer\r\nSession-Expires: 600\r\n"))
    assert (refused.status, refused.headers.get("Min-SE")) == (422, "1200")
