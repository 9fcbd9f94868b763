from gateway.bridge.call.leg import AgentSession, Leg
from gateway.bridge.legs.sip_leg import SipLeg
from gateway.realtime import Client


def verbs(protocol):
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_who_implements_what_a_call_asks_for():
    assert all(hasattr(SipLeg, name) for name in verbs(Leg))
    assert all(hasattr(Client, name) for name in verbs(AgentSession))
