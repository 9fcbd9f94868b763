"""Figure 6 of RFC 3261 on a fake clock, seen through the BYE of a call."""

from gateway.sip.client_tx import NON_INVITE, Input, State
from tests.wire import TCP, UDP, Wire, answered


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


def test_the_table_leads_out_of_every_state():
    reached = {target for target, _ in NON_INVITE.values()}
    assert reached | {State.TRYING} == set(State)
    assert {what for _, what in NON_INVITE} == set(Input)
