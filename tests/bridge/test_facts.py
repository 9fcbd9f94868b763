from gateway.bridge.facts import CallFacts
from gateway.records import Party

FACTS = CallFacts(
    "call_1", "sip-1", Party("sip:ann@h", "Ann"), Party("sip:desk@gw:5070"), "h", "gw:5070", {"x-a": "1"}, "node"
)


def test_what_agents_may_name():
    variables = FACTS.variables("bob")
    assert (variables["caller"], variables["called"], variables["called_host"]) == ("ann", "desk", "gw:5070")
    assert (variables["caller_name"], variables["agent"], variables["header.x-a"]) == ("Ann", "bob", "1")


def test_the_part_of_the_record_that_never_changes():
    assert FACTS.identity()["caller"] == "sip:ann@h"
    assert FACTS.identity()["direction"] == "inbound"
