"""Requests outside of a dialog: users who log in, registrations, and calls that take another's place."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.sip import Credentials, Incoming, Trunk
from gateway.sip.core import Core
from gateway.sip.digest import Login
from gateway.sip.message import parse
from gateway.sip.trunks import STRIKES
from tests.wire import OFFER, UDP, Wire, answered, request

ANN, BEN = Credentials("ann", "secret"), Credentials("ben", "other")
TRUNKS = (Trunk("carrier", (ip_network("192.0.2.99"),)), Trunk("phones", users=(ANN, BEN), max_calls=1))


def phones(**options):
    wire = Wire(flow=replace(UDP, remote=("203.0.113.9", 5060)), **options)
    wire.core = Core(user_agent="test", trunks=TRUNKS)
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
    for number in range(STRIKES):
        (answer,) = wire.receive(request(body=OFFER, branch=f"z9hG4bK{number}").replace(b"one@", b"%d@" % number))
        assert answer.status == 407
    assert len(wire.core) == 0
    assert wire.receive(request(body=OFFER, branch="z9hG4bKmore")) == []


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
    assert (answer.status, len(wire.core.reception.registrar.find("ann", 1.0))) == (200, 1)
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
    wire.core.max_calls = 1
    first = answered(wire).session
    second = request(body=OFFER, branch="z9hG4bKnew").replace(b"one@", b"two@")
    (refusal,) = wire.receive(second)
    assert (refusal.status, refusal.headers.get("Retry-After")) == (503, "5")
    wire.act(first.bye)
    assert wire.core.sessions == 0
    third = request(body=OFFER, branch="z9hG4bKthird").replace(b"one@", b"three@")
    assert [one.status for one in wire.receive(third)] == [100]


@pytest.mark.parametrize("end", ["answer", "reject", "cancel"])
def test_a_node_that_does_not_get_round_to_answering_takes_no_more(end):
    wire = Wire()
    wire.core.max_setups = 1
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
    assert wire.core.setups == 0
    third = request(body=OFFER, branch="z9hG4bKthird").replace(b"one@", b"three@")
    assert [one.status for one in wire.receive(third)] == [100]


def test_a_telephone_in_a_carriers_network_registers_as_its_user():
    wire = phones()
    wire.flow = replace(UDP, remote=("192.0.2.99", 5060))
    assert [one.status for one in logged_in(wire, "REGISTER")] == [200]
