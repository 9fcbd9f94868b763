from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.sip import Credentials, Incoming, Match, Uri
from gateway.sip.bans import BAN_SECONDS, STRIKES
from gateway.sip.stack import Stack
from gateway.sip.trunk.settings import Trunk
from gateway.sip.trunk.trunks import Trunks
from tests.wire import OFFER, UDP, Wire, answered, request

ACME = Trunk("acme", (ip_network("192.0.2.0/28"), ip_network("2001:db8::/32")))


class TrunkWire(Wire):
    def __init__(self, *trunks, **fields):
        super().__init__(**fields)
        self.stack = Stack(user_agent="test", trunks=trunks)


def test_peers_are_known_by_their_address():
    trunks = Trunks((ACME, Trunk("all", (ip_network("0.0.0.0/0"),))))
    assert [trunks.find(host).name for host in ("192.0.2.10", "2001:db8::7", "203.0.113.1")] == ["acme", "acme", "all"]
    assert Trunks((ACME,)).find("203.0.113.1") is None
    assert Trunks((ACME,)).find("not an address") is None


def test_a_stranger_gets_403_and_no_session_and_then_nothing():
    stranger = replace(UDP, remote=("203.0.113.9", 5060))
    wire = TrunkWire(ACME, flow=stranger)
    for number in range(STRIKES):
        (answer,) = wire.receive(request(body=OFFER, branch=f"z9hG4bK{number}").replace(b"one@", b"%d@" % number))
        assert answer.status == 403
    assert wire.receive(request(body=OFFER, branch="z9hG4bKmore")) == []
    assert wire.receive(b"garbage") == []
    assert (wire.core.trunks.bans.refused, wire.core.trunks.bans.dropped) == (STRIKES, 2)
    assert wire.events == []
    assert len(wire.core) == 0
    wire.run(BAN_SECONDS + 1)
    assert [one.status for one in wire.receive(request("OPTIONS", branch="z9hG4bKlater"))] == [403]
    wire.run(100)
    assert len(wire.core) == 0


def test_nothing_that_a_stranger_sends_leaves_anything_behind():
    wire = TrunkWire(ACME, flow=replace(UDP, remote=("203.0.113.9", 5060)))
    for number, (method, tag) in enumerate(
        [("BYE", "x"), ("INVITE", "x"), ("CANCEL", ""), ("UPDATE", "y"), ("OPTIONS", "")]
    ):
        assert [one.status for one in wire.receive(request(method, branch=f"z9hG4bK{number}", to_tag=tag))] == [403]
    wire.receive(b"garbage")
    assert (len(wire.core), wire.core.trunks.bans.refused) == (0, 6)


def test_a_call_that_was_let_in_may_go_on_from_elsewhere():
    wire = TrunkWire(ACME)
    tag = answered(wire).session.dialog.local.tag
    wire.flow = replace(UDP, remote=("203.0.113.9", 5060))
    for cseq in (2, 3):
        wire.receive(request("INFO", cseq=cseq, branch=f"z9hG4bKi{cseq}", to_tag=tag))
    assert [one.status for one in wire.receive(request("BYE", cseq=4, branch="z9hG4bKb", to_tag=tag))] == [200]
    (said,) = wire.notices  # once
    assert said.endswith("goes on from 203.0.113.9, which is no address of the trunk; it was 192.0.2.10")


@pytest.mark.parametrize(
    ("host", "served"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("192.168.0.7", True), ("::1", True), ("fd00::7", True),
     ("8.8.8.8", False), ("100.64.0.1", False), ("2606:4700::1111", False), ("a name", False)],
)  # fmt: skip
def test_without_trunks_only_this_machine_and_private_networks_are_served(host, served):
    assert Trunks().knows(host) is Trunks().trusts(host) is served
    assert Trunks(open=True).knows(host)
    assert Trunks(open=True).trusts(host) is served
    assert not Trunks((ACME,), open=True).knows("8.8.8.8")


def test_without_trunks_a_stranger_is_refused_and_the_provider_costs_nothing():
    wire = TrunkWire(flow=replace(UDP, remote=("8.8.8.8", 5060)))
    assert [one.status for one in wire.receive(request(body=OFFER))] == [403]
    assert wire.events == []
    wire.stack = Stack(user_agent="test", open_to_all=True)
    assert [one.status for one in wire.receive(request(body=OFFER))] == [100]


def test_callers_of_no_trunk_have_a_limit_together():
    wire = Wire()
    wire.stack = Stack(user_agent="test", calls_per_second=2.0)
    statuses = []
    for number in range(4):
        data = request(body=OFFER, branch=f"z9hG4bK{number}").replace(b"one@", b"%d@" % number)
        statuses.append(wire.receive(data)[0].status)
    assert statuses == [100, 100, 503, 503]
    wire.now = 1.0
    again = request(body=OFFER, branch="z9hG4bKlater").replace(b"one@", b"later@")
    assert wire.receive(again)[0].status == 100


def test_the_networks_of_a_trunk():
    trunk = replace(ACME, media_peers=(ip_network("198.51.100.0/24"),))
    trunks = Trunks((trunk,))
    trunks.learn(trunk, "registrar", {"203.0.113.77", "a.name.example"})
    assert [str(one) for one in trunks.networks(trunk)] == [
        "192.0.2.0/28", "2001:db8::/32", "198.51.100.0/24", "203.0.113.77/32"
    ]  # fmt: skip


def test_a_ban_swallows_nothing_of_a_call_and_no_answer():
    wire = TrunkWire(ACME)
    tag = answered(wire).session.dialog.local.tag
    wire.flow = replace(UDP, remote=("203.0.113.9", 5060))
    for number in range(STRIKES + 5):
        wire.receive(request("OPTIONS", branch=f"z9hG4bK{number}").replace(b"one@", b"other%d@" % number))
    assert [(one.address, one.account) for one in wire.banned] == [("203.0.113.9", "")]
    assert wire.receive(request("BYE", cseq=2, branch="z9hG4bKx", to_tag="wrong")) == []  # the call, and not its dialog
    assert [one.status for one in wire.receive(request(cseq=2, branch="z9hG4bKr", to_tag=tag, body=OFFER))] == []
    assert wire.events[-1].session.dialog.local.tag == tag  # the re-INVITE came through
    assert [one.status for one in wire.receive(request("BYE", cseq=3, branch="z9hG4bKb", to_tag=tag))] == [200, 487]


def test_calls_at_once_and_calls_per_second():
    trunk = replace(ACME, max_calls=3, calls_per_second=2.0)
    trunks = Trunks((trunk,))
    assert [trunks.admit(trunk, 10.0) for _ in range(2)] == [None, "trunk_rate"]
    assert [trunks.admit(trunk, 12.0) for _ in range(3)] == [None, None, "trunk_busy"]
    trunks.release(trunk)
    assert trunks.calls(trunk) == 2
    assert not trunks.admit(trunk, 13.0)


def test_a_full_trunk_says_503_until_a_call_ends():
    wire = TrunkWire(replace(ACME, max_calls=1))
    session = answered(wire).session
    second = request(body=OFFER, branch="z9hG4bKtwo").replace(b"one@", b"two@")
    (full,) = wire.receive(second)
    assert (full.status, full.headers.get("Retry-After")) == (503, "5")
    wire.receive(request("BYE", cseq=2, branch="z9hG4bKbye", to_tag=session.dialog.local.tag))
    third = request(body=OFFER, branch="z9hG4bKthree").replace(b"one@", b"three@")
    assert [one.status for one in wire.receive(third)] == [100]
    assert wire.core.trunks.calls(wire.core.trunks.trunks[0]) == 1


def test_options_of_a_peer_is_no_call():
    wire = TrunkWire(replace(ACME, max_calls=1))
    for number in range(3):
        assert [one.status for one in wire.receive(request("OPTIONS", branch=f"z9hG4bK{number}", cseq=number))] == [200]


def test_strangers_may_be_met_with_silence_from_the_start():
    wire = TrunkWire(ACME, flow=replace(UDP, remote=("203.0.113.9", 5060)))
    wire.stack = Stack(user_agent="test", trunks=(ACME,), ignore_unknown_peers=True)
    assert wire.receive(request(body=OFFER)) == []
    assert (len(wire.core), wire.core.trunks.bans.refused) == (0, 1)


def shared(*trunks, extra="", target="sip:reception@192.0.2.1"):
    """An INVITE from an address that is of all of these; the name of whose it is, the statuses, what is told."""
    wire = TrunkWire(*trunks)
    answers = wire.receive(request(body=OFFER, extra=extra, target=target))
    names = [event.session.trunk.name for event in wire.events if isinstance(event, Incoming)]
    return names, [one.status for one in answers], wire


THERE = (ip_network("192.0.2.10"),)


def test_trunks_at_one_address_are_told_apart_by_what_each_matches():
    one = Trunk("one", THERE, match=Match(headers={"X-Token": "7KQ2"}))
    two = Trunk("two", THERE, match=Match(request_user="+1555*"))
    rest = Trunk("rest", THERE)
    assert shared(rest, one, two, extra="X-Token: 7KQ2\r\n")[0] == ["one"]
    assert shared(rest, one, two, target="sip:+15550100@192.0.2.1")[0] == ["two"]
    names, _, wire = shared(rest, one, two)
    assert (names, wire.notices) == (["rest"], [])


def test_an_invite_that_fits_none_is_refused_and_told():
    one = Trunk("one", THERE, match=Match(from_host="elsewhere"))
    names, statuses, wire = shared(one)
    assert (names, statuses) == ([], [403])
    assert wire.refused[0].problem == (
        "INVITE from an address of one that fits the match of none: it is for sip:reception@192.0.2.1, "
        "from sip:peer@192.0.2.10"
    )
    assert [one.status for one in wire.receive(request("OPTIONS", branch="z9hG4bKo"))] == [200]  # its health check


def test_an_invite_that_two_claim_is_the_firsts_and_told_once():
    names, _, wire = shared(Trunk("one", THERE), Trunk("two", THERE))
    wire.receive(request(body=OFFER, branch="z9hG4bKagain").replace(b"one@", b"two@"))
    assert names == ["one"]
    assert wire.notices == ["an INVITE from 192.0.2.10 is for one and two alike: set match to tell them apart"]


def test_accounts_that_registered_are_told_apart_by_their_contact():
    accounts = [
        Trunk(name, THERE, register_seconds=60, server=Uri.parse("sip:r"), credentials=Credentials(name, "x"))
        for name in ("sales", "support")
    ]
    assert shared(*accounts, target="sip:support@192.0.2.1")[0] == ["support"]
    did = replace(accounts[0], name="did", contact_user="4989123")
    assert shared(*accounts, did, target="sip:4989123@192.0.2.1")[0] == ["did"]


def test_our_contact_is_what_the_trunk_wants_it_to_be():
    trunk = Trunk("t", THERE, contact_user="4989123", contact_host="sbc.acme.example")
    wire = TrunkWire(trunk)
    wire.receive(request(body=OFFER))
    session = next(event.session for event in wire.events if isinstance(event, Incoming))
    (ok,) = wire.act(lambda now: session.answer(b"v=0\r\n", now))
    assert str(ok.contact.uri) == "sip:4989123@sbc.acme.example:5060"


def test_what_was_learnt_in_one_way_is_not_forgotten_in_another():
    trunks = Trunks((ACME,))
    trunks.learn(ACME, "registrar", {"203.0.113.1"})
    trunks.learn(ACME, "the name a.example", {"203.0.113.2"})
    trunks.learn(ACME, "registrar", {"203.0.113.3"})
    assert [bool(trunks.at(f"203.0.113.{number}")) for number in (1, 2, 3)] == [False, True, True]
    trunks.use(())
    assert trunks.at("203.0.113.2") == []
