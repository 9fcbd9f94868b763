from gateway.sip import Trunk
from gateway.sip.trunk.peer_names import PeerNames
from tests.wire import Wire

ACME = Trunk("acme", peer_names=("sip.acme.example", "backup.acme.example"))


def looking(**hosts):
    wire = Wire(hosts={"sip.acme.example": {"192.0.2.10"}, "backup.acme.example": {"192.0.2.20", "2001:db8::2"}})
    wire.core.trunks.use((ACME,))
    names = PeerNames(wire.core, ACME)
    wire.act(names.start)
    return wire, names


def trunk_at(wire, host):
    found = wire.core.trunks.find(host)
    return found.name if found else ""


def test_who_is_named_may_call_from_all_its_addresses():
    wire, _ = looking()
    assert [trunk_at(wire, one) for one in ("192.0.2.10", "192.0.2.20", "2001:db8::2", "192.0.2.99")] == [
        "acme", "acme", "acme", "",
    ]  # fmt: skip
    assert [str(one) for one in wire.core.trunks.networks(ACME)] != []


def test_addresses_that_move_are_followed():
    wire, _ = looking()
    wire.hosts["sip.acme.example"] = {"192.0.2.11"}
    wire.run(61)
    assert [trunk_at(wire, one) for one in ("192.0.2.10", "192.0.2.11", "192.0.2.20")] == ["", "acme", "acme"]


def test_a_name_that_stops_resolving_keeps_its_addresses_and_is_told_once():
    wire, _ = looking()
    del wire.hosts["sip.acme.example"]
    wire.run(300)
    assert trunk_at(wire, "192.0.2.10") == "acme"
    assert wire.notices == [
        "its peer sip.acme.example is not found in DNS; calls from its last addresses are taken: 192.0.2.10"
    ]
    assert list(wire.core.trunks.problems) == [("acme", "sip.acme.example")]
    wire.hosts["sip.acme.example"] = {"192.0.2.12"}
    wire.run(11)  # sooner than the next minute
    assert (trunk_at(wire, "192.0.2.12"), wire.core.trunks.problems) == ("acme", {})


def test_a_name_that_never_was_is_told():
    wire, _ = looking()
    wire.hosts = {}
    other = PeerNames(wire.core, Trunk("acme", peer_names=("typo.example",)))
    wire.act(other.start)
    assert wire.notices[-1] == "its peer typo.example is not found in DNS; nobody may call by it"


def test_it_stops():
    wire, names = looking()
    wire.act(names.stop)
    assert wire.core.deadline() is None
