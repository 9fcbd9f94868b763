"""Keys within a call; what the model makes of them is in `test_call.py`."""

from types import SimpleNamespace

from gateway.bridge.call.dtmf_input import DIGITS_SECONDS, DtmfInput
from gateway.events import Dtmf


class Call:
    """Notes what it is asked."""

    talking = True

    def __init__(self, keys="text"):
        self.agent = SimpleNamespace(definition=SimpleNamespace(keys=keys))
        self.asked = []
        self.session = self

    def __getattr__(self, name):
        return lambda *given, **named: self.asked.append((name, *given))

    def names(self):
        return [name for name, *_ in self.asked]


def test_keys_that_follow_each_other_are_one_text():
    call = Call()
    keys = DtmfInput(call)
    for now, digit in enumerate("42"):
        keys.press(digit, float(now))
    assert call.names() == ["interrupt", "emit", "wake", "emit", "wake"]  # the agent is interrupted once
    assert call.asked[-1] == ("wake", "digits", 1.0 + DIGITS_SECONDS)
    keys.hand_over(9.0)
    assert call.asked[-2:] == [("add_text", "[DTMF] 42"), ("create_response",)]


def test_a_hash_hands_them_over_at_once():
    call = Call()
    DtmfInput(call).press("#", 0.0)
    assert ("add_text", "[DTMF] #") in call.asked


def test_a_call_that_is_busy_otherwise_gets_none():
    call = Call()
    call.talking = False
    keys = DtmfInput(call)
    keys.press("1", 0.0)
    keys.hand_over(9.0)
    keys.hand_over(9.0)
    assert "add_text" not in call.names()


def test_keys_may_be_events_alone():
    call = Call(keys="event")
    keys = DtmfInput(call)
    keys.press("4", 0.0)
    keys.hand_over(3.0)
    assert "interrupt" not in call.names()
    assert "add_text" not in call.names()
    assert ("emit", Dtmf("4"), 0.0) in [entry[:3] for entry in call.asked]
