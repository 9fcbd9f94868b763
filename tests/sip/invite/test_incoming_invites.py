"""Requests outside of a dialog: users who log in, registrations, and calls that take another's place."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.sip import Credentials, Incoming, Trunk
from gateway.sip.bans import BAN_SECONDS, CHALLENGES, STRIKES, WRONG_PASSWORDS
from gateway.sip.message.message import parse
from gateway.sip.register.digest import Login
from gateway.sip.stack import Stack
from tests.wire import OFFER, UDP, Wire, answered, request

ANN, BEN = Credentials("ann", "secret"), Credentials("ben", "other")
TRUNKS = (Trunk("carrier", (ip_network("192.0.2.99"),)), Trunk("phones", users=(ANN, BEN), max_calls=1))


def phones(**options):
    wire = Wire(flow=replace(UDP, remote=("203.0.113.9", 5060)), **options)
    wire.stack = Stack(user_agent="test", trunks=TRUNKS)
    return wire


def logged_in(wire, method="INVITE", user=ANN, branch="z9hG4bKx", of="ann", extra="", cseq=1):
    """Ask, be challenged, and ask again; what comes of it."""
    data = request(method, branch=branch, body=OFFER if method == "INVITE" else b"", extra=extra, cseq=cseq)
    data = data.replace(b"sip:reception@192.0.2.1", f"sip:{of}@192.0.2.1".encode())
    (challenge,) = wire.receive(data)
    assert challenge.status == (401 if method == "REGISTER" else 407)
    again = parse(data.replace(branch.encode(), branch.encode() + b"2"))
    login = Login(user)
    assert login.take(challenge, again)
    login.sign(again)
    return wire.receive(again.serialize())


def test_a_user_may_call_from_anywhere():
    wire = phones()
    assert [one.status for one in logged_in(wire)] == [100]
    (incoming,) = [event for event in wire.events if isinstance(event, Incoming)]
    assert incoming.session.trunk.name == "phones"


def test_a_challenge_leaves_nothing_behind_and_too_many_get_silence():
    wire = phones()
    for number in range(CHALLENGES):
        (answer,) = wire.receive(request(body=OFFER, branch=f"z9hG4bK{number}").replace(b"one@", b"%d@" % number))
        assert answer.status == 407
    assert len(wire.core) == 0
    assert wire.receive(request(body=OFFER, branch="z9hG4bKmore")) == []
    wire.now += 1.0  # but never for long: the packets may have borne the address of a telephone that means well
    assert [one.status for one in logged_in(wire, "REGISTER", branch="z9hG4bKgood")] == [200]


def test_one_telephone_with_a_wrong_password_silences_no_office():
    wire = phones()
    assert logged_in(wire, "REGISTER", user=BEN, of="ben", branch="z9hG4bKben")[0].status == 200
    for number in range(WRONG_PASSWORDS):
        logged_in(wire, user=Credentials("ann", "wrong"), branch=f"z9hG4bKw{number}x", cseq=number + 10)
    assert [(one.address, one.account) for one in wire.banned] == [("203.0.113.9", "ann")]
    wire.flow = replace(wire.flow, remote=("203.0.113.9", 6000))  # another telephone behind the same address
    assert [one.status for one in logged_in(wire, user=BEN, branch="z9hG4bKstill", cseq=50)] == [100]
    assert logged_in(wire, user=ANN, branch="z9hG4bKann", cseq=51) == []  # also not with the right one
    wire.now += BAN_SECONDS + 1
    wire.core.trunks.release(TRUNKS[1])
    assert [one.status for one in logged_in(wire, user=ANN, branch="z9hG4bKlater", cseq=52)] == [100]


def test_a_telephone_that_is_registered_stays_one_whatever_its_address_is_banned_for():
    wire = phones()
    logged_in(wire, "REGISTER", branch="z9hG4bKreg")
    for _ in range(STRIKES + 5):
        flow = replace(wire.flow, transport="tcp", connection=9, remote=("203.0.113.9", 7777))
        wire.core.receive(b"GET / HTTP/1.1\r\n\r\n", flow, wire.now)
    wire.drain()
    assert [(one.address, one.account) for one in wire.banned] == [("203.0.113.9", "")]
    assert [one.status for one in logged_in(wire, "REGISTER", branch="z9hG4bKagain", cseq=9)] == [200]
    wire.flow = replace(wire.flow, remote=("203.0.113.9", 9999))
    assert wire.receive(request("OPTIONS", branch="z9hG4bKo")) == []
    assert wire.core.trunks.bans.lift("203.0.113.9") == 1
    assert [one.status for one in wire.receive(request("OPTIONS", branch="z9hG4bKp"))] == [407]


@pytest.mark.parametrize("body", [b"garbage", request("OPTIONS", branch="z9hG4bKspoof", target="sip:x@h")])
def test_packets_in_anothers_name_shut_nobody_out_where_users_log_in(body):
    wire = phones()
    for _ in range(10 * STRIKES):
        wire.receive(body)
    assert wire.banned == []
    wire.now += 1.0
    assert [one.status for one in logged_in(wire, "REGISTER", branch="z9hG4bKgood")] == [200]


def test_a_connection_is_vouched_for_by_a_good_password_and_by_nothing_else():
    wire = phones()
    wire.flow = replace(wire.flow, transport="tcp", connection=3)
    wire.receive(request("OPTIONS", transport="TCP"))
    assert wire.vouched == []
    logged_in(wire, "REGISTER", branch="z9hG4bKreg")
    assert {flow.connection for flow in wire.vouched} == {3}


def test_who_has_logged_in_is_no_stranger():
    wire = phones()
    for number in range(2 * STRIKES):
        assert logged_in(wire, "REGISTER", branch=f"z9hG4bKr{number}x", cseq=number)[0].status == 200


@pytest.mark.parametrize("user", [Credentials("ann", "wrong"), Credentials("eve", "secret")])
def test_a_wrong_name_or_password_is_asked_again(user):
    wire = phones()
    assert [one.status for one in logged_in(wire, user=user)] == [407]
    assert wire.events == []


def test_a_telephone_registers_and_nobody_in_anothers_name():
    wire = phones()
    (answer,) = logged_in(wire, "REGISTER")
    assert (answer.status, len(wire.stack.registrar.find("ann", 1.0))) == (200, 1)
    assert [one.status for one in logged_in(wire, "REGISTER", user=BEN, branch="z9hG4bKb")] == [403]


def test_a_carrier_cannot_register_and_without_users_nobody_can():
    wire = phones()
    wire.flow = replace(UDP, remote=("192.0.2.99", 5060))
    assert [one.status for one in wire.receive(request("REGISTER"))] == [401]
    assert [one.status for one in Wire().receive(request("REGISTER"))] == [405]


def test_the_limits_of_a_trunk_hold_for_its_users():
    wire = phones()
    logged_in(wire)
    answers = logged_in(wire, branch="z9hG4bKy", cseq=2)
    assert [one.status for one in answers] == [503]
    assert answers[0].headers.get("Retry-After") == "5"


def test_a_call_that_takes_the_place_of_another():
    """RFC 3891."""
    wire = Wire()
    first = answered(wire).session
    value = f"{first.dialog.call_id};to-tag={first.dialog.local.tag};from-tag={first.dialog.remote.tag}"
    data = request(body=OFFER, branch="z9hG4bKnew", extra=f"Replaces: {value}\r\nRequire: replaces\r\n")
    wire.receive(data.replace(b"Call-ID: one@", b"Call-ID: two@"))
    assert wire.events[-1].session.replaces is first


@pytest.mark.parametrize(("value", "status"), [("x;to-tag=1;from-tag=2", 481), ("SAME;early-only", 486)])
def test_a_call_whose_place_cannot_be_taken(value, status):
    wire = Wire()
    first = answered(wire).session
    same = f"{first.dialog.call_id};to-tag={first.dialog.local.tag};from-tag={first.dialog.remote.tag}"
    data = request(body=OFFER, branch="z9hG4bKnew", extra=f"Replaces: {value.replace('SAME', same)}\r\n")
    assert [one.status for one in wire.receive(data.replace(b"Call-ID: one@", b"Call-ID: two@"))] == [status]


def test_the_node_has_a_limit_of_its_own():
    wire = Wire()
    wire.stack.incoming.max_calls = 1
    first = answered(wire).session
    second = request(body=OFFER, branch="z9hG4bKnew").replace(b"one@", b"two@")
    (refusal,) = wire.receive(second)
    assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "5")
    wire.act(first.bye)
    assert wire.core.usages == 0
    third = request(body=OFFER, branch="z9hG4bKthird").replace(b"one@", b"three@")
    assert [one.status for one in wire.receive(third)] == [100]


@pytest.mark.parametrize("end", ["answer", "reject", "cancel"])
def test_a_node_that_does_not_get_round_to_answering_takes_no_more(end):
    wire = Wire()
    wire.stack.incoming.max_setups = 1
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    second = request(body=OFFER, branch="z9hG4bKnew").replace(b"one@", b"two@")
    assert [(one.status, one.headers.get("Retry-After")) for one in wire.receive(second)] == [(503, "5")]
    if end == "answer":
        wire.act(lambda now: session.answer(b"v=0\r\n", now))
    elif end == "reject":
        wire.act(lambda now: session.reject(486, now))
    else:
        wire.receive(request("CANCEL"))
    assert wire.stack.incoming.setups == 0
    third = request(body=OFFER, branch="z9hG4bKthird").replace(b"one@", b"three@")
    assert [one.status for one in wire.receive(third)] == [100]


def test_a_telephone_in_a_carriers_network_registers_as_its_user():
    wire = phones()
    wire.flow = replace(UDP, remote=("192.0.2.99", 5060))
    assert [one.status for one in logged_in(wire, "REGISTER")] == [200]


def test_two_places_cannot_be_taken_at_once():
    wire = Wire()
    answered(wire)
    twice = request(body=OFFER, branch="z9hG4bKtwo", extra="Replaces: a;to-tag=1;from-tag=2\r\n" * 2)
    assert [one.status for one in wire.receive(twice.replace(b"Call-ID: one@", b"Call-ID: two@"))] == [400]


@pytest.mark.parametrize("contact", ["mailto:a@b.example", "tel:+4930123", "http://192.0.2.10/"])
def test_a_contact_that_cannot_be_called_is_400(contact):
    data = request(body=OFFER).replace(b"<sip:peer@192.0.2.10:5060>", f"<{contact}>".encode())
    assert [one.status for one in Wire().receive(data)] == [400]


def multipart(*parts, kind="mixed", extra=""):
    pieces = "".join(f"--b\r\n{head}\r\n\r\n{content}\r\n" for head, content in parts) + "--b--\r\n"
    data = request(body=pieces.encode(), extra=extra)
    return data.replace(b"application/sdp", f'multipart/{kind};boundary="b"'.encode(), 1)


SDP_PART = ("Content-Type: application/sdp", OFFER.decode())
ISUP = "Content-Type: application/isup;version=itu-t92+\r\nContent-Disposition: signal;handling="


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (multipart(SDP_PART), 100),
        (multipart((ISUP + "optional", "x"), SDP_PART), 100),
        (multipart((ISUP + "required", "x"), SDP_PART), 415),
        (multipart((ISUP + "optional", "x")), 415),
        (multipart(("Content-Type: text/plain", "hello")), 415),
        (multipart(("Content-Type: text/plain", "x"), SDP_PART, kind="alternative"), 100),
        (multipart(("Content-Type: multipart/mixed;boundary=c", "--c\r\nContent-Type: application/sdp\r\n\r\n"
                    + OFFER.decode() + "--c--\r\n")), 100),
        (request(body=OFFER, extra="Content-Encoding: gzip\r\n"), 415),
        (request(body=OFFER, extra="Content-Encoding: identity\r\n"), 100),
        (request(body=b"hello", extra="Content-Disposition: icon;handling=optional\r\n").replace(
            b"application/sdp", b"image/png"), 100),
    ],
)  # fmt: skip
def test_bodies_that_can_be_read_and_others(data, status):
    """RFC 3261 section 8.2.3, RFC 5621."""
    (answer,) = Wire().receive(data)
    assert answer.status == status


def test_a_header_line_of_nine_thousand_bytes_is_a_header_line():
    assert [one.status for one in Wire().receive(request(body=OFFER, extra=f"Identity: {'x' * 9000}\r\n"))] == [100]


@pytest.mark.parametrize("extra", ["X: 1\r\n" * 300, "no header\r\n"])
def test_what_cannot_be_read_is_answered_all_the_same(extra):
    (answer,) = Wire().receive(request(extra=extra))
    assert answer.status in (400, 513)
