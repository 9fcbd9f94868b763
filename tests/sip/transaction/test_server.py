"""Figures 7 and 8 of RFC 3261, and the Accepted state of RFC 6026, on a fake clock."""

from gateway.sip.transaction.server import INVITE, NON_INVITE, State
from tests.wire import OFFER, TCP, Wire, answered, request


def refused(wire):
    wire.receive(request(body=OFFER))
    session = wire.events[0].session
    wire.sent.clear()
    wire.act(lambda now: session.reject(486, now))


def test_a_refusal_is_resent_until_the_ack():
    wire = Wire()
    refused(wire)
    wire.run(4)
    assert wire.times(486) == [0, 0.5, 1.5, 3.5]
    wire.receive(request("ACK", to_tag="t1"))
    wire.run(60)
    assert wire.times(486) == [0, 0.5, 1.5, 3.5]
    assert len(wire.core) == 0


def test_without_an_ack_it_is_given_up_after_64_t1():
    wire = Wire()
    refused(wire)
    wire.run(60)
    assert wire.times(486) == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert len(wire.core) == 0


def test_over_tcp_a_refusal_is_sent_once():
    wire = Wire(flow=TCP)
    refused(wire)
    wire.run(60)
    assert wire.times(486) == [0]
    assert len(wire.core) == 0


def test_a_resent_invite_gets_the_last_response_again_and_makes_no_second_call():
    wire = Wire()
    wire.receive(request(body=OFFER))
    wire.act(wire.events[0].session.ring)
    assert [one.status for one in wire.receive(request(body=OFFER))] == [180]
    assert len(wire.events) == 1


def test_an_accepted_invite_leaves_resends_to_the_session():
    wire = Wire()
    answered(wire)
    assert wire.receive(request(body=OFFER)) == []  # the 200 was acknowledged: RFC 6026 section 8.7


def test_a_request_is_answered_again_when_it_is_resent():
    wire = Wire()
    (first,) = wire.receive(request("OPTIONS"))
    (again,) = wire.receive(request("OPTIONS"))
    assert first == again
    wire.run(60)
    assert len(wire.core) == 0


def test_every_state_but_the_end_can_be_left():
    for table in (INVITE, NON_INVITE):
        states = {state for state, _ in table}
        assert State.TERMINATED not in states
        assert all(
            any(target is not state for (left, _), (target, _) in table.items() if left is state) for state in states
        )
