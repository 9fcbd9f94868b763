from dataclasses import replace

import pytest

from gateway.errors import SipParseError
from gateway.sip.message.message import parse
from gateway.sip.register.registrar import MAX_CONTACTS, Registrar
from tests.wire import TCP, UDP, request


def register(contact="<sip:ann@10.0.0.7:5062>", expires="600", cseq=1):
    data = request("REGISTER", cseq=cseq, extra=f"Expires: {expires}\r\n").replace(
        b"Contact: <sip:peer@192.0.2.10:5060>", f"Contact: {contact}".encode()
    )
    return parse(data.replace(b"reception@192.0.2.1>", b"ann@192.0.2.1>"))


def test_a_telephone_is_found_by_the_way_that_it_came():
    registrar = Registrar()
    answer = registrar.receive(register(), UDP, 0.0)
    assert (answer.status, answer.headers.get("Contact")) == (200, "<sip:ann@10.0.0.7:5062>;expires=600")
    (found,) = registrar.find("ann", 1.0)
    assert (str(found.contact), found.flow) == ("sip:ann@10.0.0.7:5062", UDP)
    assert registrar.find("ann", 601.0) == []
    assert registrar.find("bob", 1.0) == []


def test_the_latest_telephone_comes_first_and_a_refresh_replaces():
    registrar = Registrar()
    registrar.receive(register("<sip:a@1>"), UDP, 0.0)
    registrar.receive(register("<sip:b@2>;expires=120", cseq=2), TCP, 1.0)
    assert [str(one.contact) for one in registrar.find("ann", 2.0)] == ["sip:b@2", "sip:a@1"]
    registrar.receive(register("<sip:a@1>", cseq=3), UDP, 3.0)
    assert [str(one.contact) for one in registrar.find("ann", 4.0)] == ["sip:a@1", "sip:b@2"]
    assert len(registrar.find("ann", 200.0)) == 1


def test_it_can_be_taken_back_one_by_one_or_all_at_once():
    registrar = Registrar()
    registrar.receive(register("<sip:a@1>, <sip:b@2>"), UDP, 0.0)
    registrar.receive(register("<sip:a@1>;expires=0", cseq=2), UDP, 1.0)
    assert [str(one.contact) for one in registrar.find("ann", 2.0)] == ["sip:b@2"]
    answer = registrar.receive(register("*", "0", cseq=3), UDP, 2.0)
    assert answer.headers.all("Contact") == []
    assert len(registrar) == 0


def test_too_short_too_late_and_nonsense():
    registrar = Registrar()
    answer = registrar.receive(register(expires="30"), UDP, 0.0)
    assert (answer.status, answer.headers.get("Min-Expires")) == (423, "60")
    registrar.receive(register(cseq=5), UDP, 0.0)
    assert registrar.receive(register(cseq=4), UDP, 1.0).status == 500
    with pytest.raises(SipParseError, match="Expires: 0"):
        registrar.receive(register("*"), UDP, 0.0)


def test_whose_telephone_is_at_an_address():
    """Two accounts of one telephone; one that moved; and not for longer than they are registered."""
    registrar = Registrar()
    bob = register("<sip:bob@10.0.0.7:5062>")
    bob.headers.set("To", "<sip:bob@192.0.2.1>")
    registrar.receive(register(), UDP, 0.0)
    registrar.receive(bob, UDP, 0.0)
    for user, found in (("", True), ("ann", True), ("bob", True), ("eve", False)):
        assert registrar.reaches(UDP.remote, 1.0, user) is found
    assert not registrar.reaches(UDP.remote, 601.0)
    moved = replace(UDP, remote=("192.0.2.11", 5060))
    registrar.receive(register(cseq=2), moved, 2.0)
    assert registrar.reaches(moved.remote, 3.0, "ann")
    assert not registrar.reaches(UDP.remote, 3.0, "ann")
    assert registrar.reaches(UDP.remote, 3.0, "bob")


def test_a_user_has_only_so_many_telephones():
    registrar = Registrar()
    for number in range(MAX_CONTACTS + 5):
        registrar.receive(register(f"<sip:a@h{number}>", cseq=number), UDP, 0.0)
    found = registrar.find("ann", 1.0)
    assert len(found) == MAX_CONTACTS
    assert str(found[0].contact) == f"sip:a@h{MAX_CONTACTS + 4}"
