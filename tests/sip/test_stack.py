"""The core and its users together: what is let in, and by whom it is taken."""

import pytest

from gateway.errors import SipParseError, TrunkBusy
from gateway.sip import Incoming, InviteParameters, Trunk, Uri
from gateway.sip.message.headers import NameAddr
from tests.wire import OFFER, Wire, request


class Echo:
    """Takes MESSAGE (RFC 3428): a user of the core that the core has never heard of."""

    def __init__(self, wire):
        self.wire, self.heard = wire, []

    def receive(self, transaction, flow, trunk, now):
        self.heard.append(transaction.request.body)
        if not transaction.request.body:
            raise SipParseError("there is nothing in it")
        transaction.respond(transaction.request.respond(200, to_tag="e"), now)


def test_a_method_that_somebody_takes_is_theirs_and_405_before():
    wire = Wire()
    assert [one.status for one in wire.receive(request("MESSAGE", branch="z9hG4bKm1"))] == [405]
    echo = Echo(wire)
    wire.core.handle("MESSAGE", echo)
    text = b"Hello"
    wire.run(64)
    data = request("MESSAGE", branch="z9hG4bKm2", cseq=2, body=text)
    assert [one.status for one in wire.receive(data)] == [200]
    assert echo.heard == [text]
    assert [one.status for one in wire.receive(request("MESSAGE", branch="z9hG4bKm3", cseq=3))] == [400]
    wire.run(64)
    assert len(wire.core) == 0


def test_invites_and_registers_have_somebody_who_takes_them():
    wire = Wire()
    assert [one.status for one in wire.receive(request("REGISTER", branch="z9hG4bKr"))] == [405]  # there are no users
    assert [one.status for one in wire.receive(request(body=OFFER))] == [100]
    assert isinstance(wire.events[-1], Incoming)
    assert (wire.core.usages, wire.stack.incoming.setups) == (1, 1)


def test_a_call_out_counts_at_its_trunk():
    wire, trunk = Wire(), Trunk("acme", max_calls=1)
    peer = NameAddr.parse("<sip:1@192.0.2.10>")
    asked = InviteParameters(Uri.parse("sip:1@192.0.2.10"), peer, peer, flows=(wire.flow,), trunk=trunk)
    session = wire.stack.invite(asked, 0.0)
    with pytest.raises(TrunkBusy):
        wire.stack.invite(asked, 0.0)
    session.abandon(0.0)
    assert wire.core.usages == 0
    wire.stack.invite(asked, 0.0)  # its place is free again
