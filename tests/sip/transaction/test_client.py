"""Figure 6 of RFC 3261 on a fake clock, seen through the BYE of a call."""

import pytest

from gateway.sip import Cause, Rejected
from gateway.sip.transaction.client import INVITE, NON_INVITE, Input, State
from tests.wire import TCP, UDP, Wire, answered, calling


def bye(wire):
    incoming = answered(wire)
    wire.sent.clear()
    (sent,) = wire.act(incoming.session.bye)
    return sent


def test_udp_resends_at_t1_doubling_to_t2_and_gives_up_after_64_t1():
    wire = Wire(flow=UDP)
    bye(wire)
    wire.run(60)
    assert wire.times("BYE") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert len(wire.core) == 0


def test_tcp_does_not_resend():
    wire = Wire(flow=TCP)
    bye(wire)
    wire.run(60)
    assert wire.times("BYE") == [0]
    assert len(wire.core) == 0


def test_after_a_provisional_response_the_interval_is_t2():
    wire = Wire()
    sent = bye(wire)
    wire.run(0.6)
    wire.receive(sent.respond(100).serialize())
    wire.run(10)
    assert wire.times("BYE") == [0, 0.5, 1.5, 5.5, 9.5]


def test_a_final_response_ends_it_and_resends_of_it_are_absorbed():
    wire = Wire()
    sent = bye(wire)
    ok = sent.respond(200).serialize()
    wire.receive(ok)
    assert wire.receive(ok) == []
    wire.run(60)
    assert wire.times("BYE") == [0]
    assert len(wire.core) == 0


def test_a_response_to_nothing_is_dropped():
    wire = Wire()
    sent = bye(wire)
    stray = sent.respond(200).serialize().replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    assert wire.receive(stray) == []
    assert wire.refused == []


@pytest.mark.parametrize("table", [INVITE, NON_INVITE])
def test_every_table_leads_out_of_every_state(table):
    reached = {target for target, _ in table.values()}
    assert State.TERMINATED in reached
    assert reached - {State.TERMINATED} | {State.TRYING} == {state for state, _ in table}


def test_the_tables_use_every_input():
    assert {what for _, what in INVITE | NON_INVITE} == set(Input)


def test_figure_5_over_udp():
    """Timer A doubles without end, timer B gives up after 64 * T1."""
    wire = Wire()
    calling(wire)
    wire.run(60)
    assert wire.times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert [(type(event), event.cause) for event in wire.events] == [(Rejected, Cause.UNREACHABLE)]
    assert len(wire.core) == 0


def test_a_refusal_is_acknowledged_again_whenever_it_comes_again():
    wire = Wire()
    invite = calling(wire)
    busy = invite.respond(486, to_tag="p").serialize()
    (ack,) = wire.receive(busy)
    assert (ack.method, ack.via, ack.to.tag, str(ack.cseq)) == ("ACK", invite.via, "p", "1 ACK")
    assert [one.method for one in wire.receive(busy)] == ["ACK"]
    wire.run(33)
    assert wire.receive(busy) == []
    assert len(wire.core) == 0


def test_over_tcp_nothing_is_resent_and_nothing_lingers():
    wire = Wire(flow=TCP)
    invite = calling(wire)
    wire.run(5)
    wire.receive(invite.respond(486, to_tag="p").serialize())
    wire.run(0.1)
    assert wire.times("INVITE") == [0]
    assert len(wire.core) == 0
