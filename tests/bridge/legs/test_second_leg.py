"""The telephone that is called besides, and what may go wrong on the way; calls that succeed are in `test_line.py`."""

from types import SimpleNamespace

import pytest

from gateway.bridge.call.actions import DialSecondLeg
from gateway.bridge.legs.second_leg import SecondLeg
from gateway.call_record import Party
from gateway.errors import NoMediaPort
from gateway.sip import Cause, Progress, Rejected, Trunk


class Whom:
    def __init__(self):
        self.told = []

    def __getattr__(self, name):
        return lambda *arguments: self.told.append((name, *arguments[:-1]))


class Runner:
    """A line whose legs call nobody; `on_open` happens while the port is being opened."""

    def __init__(self, on_open=lambda: None, error=None):
        self.on_open, self.error = on_open, error
        self.trunk, self.others = Trunk("home"), []
        called = Party("sip:+4989100@us")
        self.info = SimpleNamespace(call_id="call_1", caller=Party("sip:ann@h"), called=called, direction="inbound")
        self.commands, self.closed, self.events = [], [], []

    def trunks_for(self, target, name):
        return [self.trunk, *self.others]

    def use_trunk(self, leg, trunk):
        leg.trunk = trunk

    async def open_second(self, trunk):
        self.on_open()
        if self.error:
            raise self.error
        session = SimpleNamespace(dialog=SimpleNamespace(call_id="sip-2"))
        leg = SimpleNamespace(events=None, session=session, trunk=trunk, close=lambda: self.closed.append("leg"))
        leg.call = lambda order: self.commands.append(order) or session
        return leg

    def listen_to(self, session):
        self.session = session

    def leave(self, leg):
        leg.close()

    def feed(self, action):
        action(SimpleNamespace(emit=lambda event, now: self.events.append((event.type, event.data()))), 1.0)


def second(line, **headers):
    whom = Whom()
    return SecondLeg(line, DialSecondLeg("sip:ann@pbx", whom, **headers)), whom


async def test_it_calls_with_the_headers_it_was_given_and_tells_who_asked():
    line = Runner()
    leg, whom = second(line, replaces="a;to-tag=1;from-tag=2", referred_by="<sip:boss@pbx>")
    await leg.dial()
    (order,) = line.commands
    assert (order.target, order.trunk, order.replaces) == ("sip:ann@pbx", line.trunk, "a;to-tag=1;from-tag=2")
    assert order.headers == (("Referred-By", "<sip:boss@pbx>"),)
    assert line.events == [("transfer_dialing", {"uri": "sip:ann@pbx", "sip_call_id": "sip-2", "trunk": "home"})]
    leg.receive(Progress(line.session, 180, b""))
    leg.receive(Rejected(line.session, Cause.REFUSED, 486, "Busy Here"))
    assert whom.told[1:] == [("other_ringing", 180), ("other_ended", "486 Busy Here", 486)]


def refused(line, status=503, cause=Cause.REFUSED):
    return Rejected(line.session, cause, status, "Because")


async def test_the_next_trunk_is_tried_until_it_rings_and_what_the_peer_wants_goes_by_its_own_alone():
    line = Runner()
    line.others = [Trunk("second"), Trunk("third")]
    leg, whom = second(line)
    await leg.dial()
    leg.receive(refused(line))
    assert [order.trunk.name for order in line.commands] == ["home", "second"]
    failed = {"trunk": "home", "status": 503, "problem": "503 Because", "next": "second"}
    assert ("trunk_failed", failed) in line.events
    leg.receive(Progress(line.session, 180, b""))
    leg.receive(refused(line))
    assert [order.trunk.name for order in line.commands] == ["home", "second"]
    assert whom.told[-1] == ("other_ended", "503 Because", 503)
    line = Runner()
    line.others = [Trunk("second")]
    leg, whom = second(line, own_trunk=True)
    await leg.dial()
    leg.receive(refused(line))
    assert [order.trunk.name for order in line.commands] == ["home"]
    assert whom.told[-1] == ("other_ended", "503 Because", 503)


async def test_whose_number_the_target_sees_and_which_number_was_called():
    for trunk, caller_id, diverted in (
        (Trunk("t"), "", ""),
        (Trunk("t", bridge_caller_id="caller", diversion=("diversion",)), "ann", "+4989100"),
        (Trunk(""), "ann", ""),
    ):
        line = Runner()
        line.trunk = trunk
        leg, _ = second(line)
        await leg.dial()
        (order,) = line.commands
        assert (order.caller_id, order.diverted) == (caller_id, diverted)


@pytest.mark.parametrize(("error", "status"), [(NoMediaPort(1, 2), 503), (RuntimeError("a bug"), 500)])
async def test_what_keeps_it_from_calling_is_told_with_a_status(error, status):
    leg, whom = second(Runner(error=error))
    await leg.dial()
    assert whom.told == [("other_ended", str(error), status)]


async def test_one_that_is_dismissed_while_its_port_is_opened_gives_it_back_and_calls_nobody():
    line = Runner(on_open=lambda: leg.dismiss())
    leg, whom = second(line)
    await leg.dial()
    assert (line.closed, line.commands, whom.told) == (["leg"], [], [])


async def test_after_it_was_dismissed_nobody_hears_of_it():
    line = Runner()
    leg, whom = second(line)
    await leg.dial()
    leg.dismiss()
    told = list(whom.told)
    leg.receive(Rejected(line.session, Cause.REFUSED, 487, "Request Terminated"))
    assert (whom.told, line.closed) == (told, ["leg"])
