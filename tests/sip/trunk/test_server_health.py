"""OPTIONS pings on a fake clock: what is silent is skipped, and comes back."""

import pytest

from gateway.sip import Trunk, Uri
from gateway.sip.flow import Flow
from gateway.sip.trunk.server_health import ServerChanged, ServerHealth
from tests.wire import UDP, Wire, calling

SECOND = Flow("udp", ("192.0.2.20", 5060), ("192.0.2.1", 5060))
ACME = Trunk("acme", server=Uri.parse("sip:sip.acme.example"), options_ping_seconds=30)


def pinging(trunk=ACME, ways=(UDP, SECOND)):
    wire = Wire(ways=ways)
    wire.core.trunks.use((trunk,))
    health = ServerHealth(wire.core, trunk)
    return wire, health, wire.act(health.start)


def changes(wire):
    return [(str(one.server.flow), one.server.up) for one in wire.events if isinstance(one, ServerChanged)]


def test_each_server_is_asked_and_one_that_is_silent_is_skipped_until_it_answers():
    wire, health, (first, _) = pinging()
    assert (first.method, str(first.uri), str(first.from_.uri)) == (
        "OPTIONS", "sip:sip.acme.example", "sip:gateway@sip.acme.example",
    )  # fmt: skip
    wire.now = 0.02
    wire.receive(first.respond(200).serialize())
    wire.run(6)
    assert changes(wire) == [(str(SECOND), False)]
    assert wire.core.trunks.silent == {("acme", str(SECOND)): "no answer to OPTIONS within 5 s"}
    assert wire.core.trunks.usable(ACME, (SECOND, UDP)) == [UDP]
    assert wire.core.trunks.usable(Trunk("other"), (SECOND, UDP)) == [SECOND, UDP]
    assert health.servers[str(UDP)].ms == pytest.approx(20)
    assert not health.down
    before = len(wire.sent)
    wire.run(25)
    again = [one.message for one in wire.sent[before:] if one.message.method == "OPTIONS"]
    for one in again[-2:]:
        wire.receive(one.respond(200).serialize())
    assert changes(wire)[1:] == [(str(SECOND), True)]
    assert wire.core.trunks.silent == {}
    assert wire.core.trunks.usable(ACME, (SECOND, UDP)) == [SECOND, UDP]


@pytest.mark.parametrize(
    ("status", "up"), [(200, True), (404, True), (405, True), (483, True), (408, False), (503, False)]
)
def test_any_answer_is_a_sign_of_life_but_for_those_that_say_not_now(status, up):
    wire, health, (first, _) = pinging()
    wire.receive(first.respond(status).serialize())
    assert health.servers[str(UDP)].up is up


def test_where_none_answers_all_are_tried_all_the_same():
    wire, health, _ = pinging()
    wire.run(6)
    assert health.down
    assert wire.core.trunks.usable(ACME, (UDP, SECOND)) == [UDP, SECOND]


def test_a_call_does_not_wait_for_a_server_that_is_silent():
    wire, _, (first, _) = pinging(ways=(UDP, SECOND))
    second = wire.sent[1].message
    wire.receive(second.respond(200).serialize())
    assert first.method == "OPTIONS"
    wire.run(6)  # the first says nothing
    wire.flow = UDP
    invite = calling(wire, flows=(), trunk=ACME)
    transaction = wire.core._clients[invite.via.branch, "INVITE"]
    assert transaction.flow == SECOND


def test_a_name_that_is_gone_is_told_once_and_what_was_known_stays():
    wire, health, _ = pinging()
    wire.ways = ()
    wire.run(65)
    assert wire.notices == ["sip:sip.acme.example is nowhere to be found: no such name in DNS"]
    assert set(health.servers) == {str(UDP), str(SECOND)}
    wire.ways = (UDP,)
    wire.run(30)
    assert set(health.servers) == {str(UDP)}
    assert wire.core.trunks.problems == {}


def test_a_name_for_a_host_is_in_from_and_contact_without_a_user():
    """As Microsoft Teams wants it."""
    teams = Trunk(
        "teams", server=Uri.parse("sip:sip.pstnhub.microsoft.com"), from_domain="sbc.acme.example",
        contact_host="sbc.acme.example", options_ping_seconds=30,
    )  # fmt: skip
    _, _, (options, *_) = pinging(teams)
    assert str(options.from_.uri) == "sip:sbc.acme.example"
    assert str(options.contact.uri) == "sip:sbc.acme.example:5060"


def test_it_stops():
    wire, health, _ = pinging()
    wire.run(6)
    wire.act(health.stop)
    assert wire.core.trunks.silent == {}
    asked = {one.message.cseq.number for one in wire.sent}
    wire.run(120)
    assert {one.message.cseq.number for one in wire.sent} == asked  # no new one
    assert len(wire.core) == 0
