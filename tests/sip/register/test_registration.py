"""A registration on a fake clock: it is kept, lost, sought elsewhere, and found again."""

import pytest

from gateway.sip import Credentials, Trunk, Uri
from gateway.sip.events import Registered
from gateway.sip.flow import Flow
from gateway.sip.register.registration import FIRST_RETRY, PING_SECONDS, Registration, State
from tests.wire import TCP, UDP, Wire

SECOND = Flow("udp", ("192.0.2.20", 5060), ("192.0.2.1", 5060))


def trunk(**options):
    given = {
        "server": Uri.parse("sip:reg.example"),
        "credentials": Credentials("me", "secret"),
        "register_seconds": 600,
    }
    return Trunk("acme", **given | options)


def started(*ways, **options):
    wire = Wire(ways=ways or (UDP,))
    registration = Registration(wire.core, trunk(**options))
    wire.act(registration.start)
    return wire, registration


def last(wire):
    return [one.message for one in wire.sent if getattr(one.message, "method", "") == "REGISTER"][-1]


def answer(wire, status=200, **headers):
    request = last(wire)
    response = request.respond(status, to_tag="r")
    if status == 200:
        response.headers.add("Contact", f"{request.headers.get('Contact')};expires=600")
    for name, value in headers.items():
        response.headers.set(name.replace("_", "-"), value)
    wire.receive(response.serialize())


def told(wire):
    return [event for event in wire.events if isinstance(event, Registered)]


def test_it_registers_answers_the_challenge_and_refreshes_with_the_same_nonce():
    wire, registration = started()
    first = last(wire)
    assert (str(first.uri), str(first.to)) == ("sip:reg.example", "<sip:me@reg.example>")
    assert first.headers.get("Contact") == "<sip:me@192.0.2.1:5060>"
    assert "path" in first.headers.all("Supported")
    answer(wire, 401, WWW_Authenticate='Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256')
    second = last(wire)
    assert (second.call_id, second.cseq.number, second.from_.tag) == (first.call_id, 2, first.from_.tag)
    assert "algorithm=SHA-256" in second.headers.get("Authorization")
    answer(wire)
    assert registration.state is State.REGISTERED
    assert len(told(wire)) == 1
    wire.run(481)
    third = last(wire)
    assert third.cseq.number == 3
    assert "nc=00000002" in third.headers.get("Authorization")
    answer(wire)
    assert len(told(wire)) == 1  # no news


def test_its_server_may_call_us():
    wire, _ = started(UDP, SECOND)
    assert wire.core.trunks.trunks == ()
    wire.core.trunks.use((trunk(),))
    wire.core.trunks.learn(trunk(), "registrar", {"192.0.2.20"})
    assert wire.core.trunks.find("192.0.2.20").name == "acme"
    assert wire.core.trunks.find("192.0.2.99") is None


def test_the_registrar_goes_away_for_a_minute_and_comes_back():
    wire, registration = started()
    answer(wire)
    wire.run(480 + 33)  # the refresh is not answered
    assert registration.problem == "no answer"
    before = len(wire.times("REGISTER"))
    wire.run(60)
    assert len(wire.times("REGISTER")) > before  # it is asked again all the while
    answer(wire)
    assert (registration.problem, registration.state) == ("", State.REGISTERED)
    assert [bool(event.registration.problem) for event in told(wire)] == [False, False, False]
    assert len(told(wire)) == 3


def test_another_server_takes_over():
    wire, registration = started(UDP, SECOND)
    answer(wire, 503)
    assert [one for one in wire.sent][-1].message.cseq.number == 2
    answer(wire)
    assert registration.state is State.REGISTERED


def test_refusals_are_told_once_and_tried_again_ever_more_slowly():
    wire, registration = started()
    for wait in (FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY):
        answer(wire, 403)
        assert registration.problem == "403 Forbidden"
        number = last(wire).cseq.number
        wire.run(wait - 0.1)
        assert last(wire).cseq.number == number
        wire.run(0.2)
        assert last(wire).cseq.number == number + 1
    assert len(told(wire)) == 1


def test_a_longer_interval_where_the_registrar_wants_one():
    wire, _ = started(register_seconds=60)
    answer(wire, 423, Min_Expires="1800")
    assert last(wire).headers.get("Expires") == "1800"


def test_the_granted_time_counts_not_the_wanted_and_other_contacts_do_not():
    wire, _ = started()
    answer(wire, Contact='<sip:other@10.1.1.1>;expires=30, "us" <sip:me@192.0.2.1:5060>;expires=100')
    wire.run(79)
    assert last(wire).cseq.number == 1
    wire.run(2)
    assert last(wire).cseq.number == 2


def test_behind_a_nat_it_registers_where_it_is_seen():
    wire, registration = started()
    request = last(wire)
    response = request.respond(200)
    response.headers.set_first("Via", f"{request.via};received=203.0.113.5;rport=6000".replace(";rport;", ";"))
    wire.receive(response.serialize())
    assert last(wire).headers.get("Contact") == "<sip:me@203.0.113.5:6000>"
    answer(wire)
    assert registration.state is State.REGISTERED


def test_it_keeps_the_nat_open():
    wire, _ = started(TCP)
    answer(wire)
    wire.run(2 * PING_SECONDS + 1)
    assert wire.pings == [PING_SECONDS, 2 * PING_SECONDS]


def test_nowhere_to_be_found():
    wire, registration = started()
    wire.ways = ()
    answer(wire, 403)
    wire.run(FIRST_RETRY + 2)
    assert registration.problem == "sip:reg.example is nowhere to be found"


def test_it_is_taken_back_at_the_end():
    wire, registration = started()
    answer(wire)
    wire.act(registration.stop)
    assert last(wire).headers.get("Expires") == "0"
    answer(wire)
    wire.run(1000)
    assert last(wire).headers.get("Expires") == "0"
    assert len(wire.core) == 0


@pytest.mark.parametrize("status", [401, 407])
def test_wrong_credentials_are_not_tried_for_ever(status):
    wire, registration = started()
    name = "WWW_Authenticate" if status == 401 else "Proxy_Authenticate"
    for number in range(5):
        if not registration.problem.startswith(str(status)):
            answer(wire, status, **{name: f'Digest realm="r", nonce="{number}"'})
    assert last(wire).cseq.number == 2


@pytest.mark.parametrize(
    ("contacts", "expires", "granted"),
    [
        ('<sip:me@192.0.2.1:5060>;expires="120"', "", 120),
        ("<sip:me@203.0.113.5:40000>;expires=90", "600", 90),  # written anew: host, port and user
        ("<sip:me@203.0.113.5:40000>;expires=90, <sip:other@198.51.100.1>;expires=30", "", 90),
        ("<sip:me@192.0.2.1:5060>;expires=300, <sip:me@203.0.113.5>;expires=30", "", 300),
        ("<sip:me@192.0.2.1:5060>", "200", 200),
        ("<sip:me@192.0.2.1:5060>;expires=soon", "200", 200),
        ("broken <", "150", 150),
        ("", "", 600),
    ],
)
def test_when_it_is_refreshed_however_the_registrar_spells_it(contacts, expires, granted):
    wire, _ = started()
    response = last(wire).respond(200, to_tag="r")
    if contacts:
        response.headers.add("Contact", contacts)
    if expires:
        response.headers.add("Expires", expires)
    wire.receive(response.serialize())
    wire.run(granted)
    assert wire.times("REGISTER")[1] == pytest.approx(0.8 * granted)


@pytest.mark.parametrize("headers", [{"Min_Expires": "soon"}, {"Min_Expires": "1"}, {}])
def test_a_423_that_says_nothing_of_use_is_a_refusal_and_is_tried_again_later(headers):
    wire, registration = started()
    answer(wire, 423, **headers)
    assert registration.problem.startswith("423")
    assert registration.state is State.WAITING
    wire.run(2 * FIRST_RETRY)
    assert len(wire.times("REGISTER")) >= 2


def test_a_via_that_came_back_mangled_does_not_end_the_registration():
    wire, registration = started()
    response = last(wire).respond(200, to_tag="r")
    response.headers.set("Via", f"{response.headers.get('Via')};received=203.0.113.5".replace("rport", "rport=x"))
    wire.receive(response.serialize())
    assert registration.state is State.REGISTERED


def test_what_the_registrar_said_is_kept():
    wire, registration = started()
    answer(
        wire, Service_Route="<sip:edge.example;lr>", P_Associated_URI="<sip:+4989123@reg.example>",
        Contact="<sip:me@203.0.113.5:5060>;expires=120",
    )  # fmt: skip
    granted = registration.granted
    assert (granted.server, granted.seconds, granted.binding) == (str(UDP), 120, "sip:me@203.0.113.5:5060")
    assert (granted.service_route, granted.identities) == (
        ("<sip:edge.example;lr>",), ("<sip:+4989123@reg.example>",),
    )  # fmt: skip
    wire.run(97)
    answer(wire, 403)
    assert registration.granted is None


def test_a_200_without_our_contact_is_told_once_and_taken_back():
    wire, registration = started()
    wire.core.trunks.use((trunk(),))
    answer(wire, Contact="<sip:other@198.51.100.1>;expires=100")
    assert registration.problem == ""
    (notice,) = wire.notices
    assert notice.startswith(
        "the registrar says 200 without our Contact sip:me@192.0.2.1:5060: calls may not come here"
    )
    wire.run(81)
    answer(wire, Contact="<sip:other@198.51.100.1>;expires=100")
    assert len(wire.notices) == 1
    wire.run(81)
    answer(wire)
    assert wire.core.trunks.problems == {}


def test_who_we_are_there_and_what_the_digest_says():
    wire, _ = started(
        credentials=Credentials("301", "secret", "x7Kq"), from_domain="acme.example", contact_user="+4989123",
        contact_host="sbc.acme.example",
    )  # fmt: skip
    first = last(wire)
    assert (str(first.to), first.headers.get("Contact")) == (
        "<sip:301@acme.example>", "<sip:+4989123@sbc.acme.example:5060>",
    )  # fmt: skip
    answer(wire, 401, WWW_Authenticate='Digest realm="r", nonce="n"')
    assert 'username="x7Kq"' in last(wire).headers.get("Authorization")


def test_a_refusal_is_told_with_what_it_means_at_that_carrier():
    _, registration = (made := started(hints=(("REGISTER", 403, "the trunk is set to static IP"),)))
    answer(made[0], 403)
    assert registration.problem == "403 Forbidden: the trunk is set to static IP"
