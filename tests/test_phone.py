"""The phone's own mistakes (all of them are in test_wrong_inputs.py); its calls are in e2e/test_phone.py."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest

from gateway import phone
from gateway.errors import ConfigError
from gateway.phone import HZ, PhoneCall, _Words, call, check

needs_pjsua = pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")


@pytest.mark.parametrize("target", ["reception", "http://127.0.0.1", "sip:"])
def test_who_cannot_be_called(target):
    with pytest.raises(ConfigError, match="not a SIP address"):
        call(PhoneCall(target), print)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        check(PhoneCall("reception", dtmf="x", seconds=0))
    assert [one.source for one in (caught.value, *caught.value.more)] == ["--dtmf", "--seconds", "reception"]


class Gateway:
    """Tells of two calls, of which one is ours."""

    def __init__(self, *events):
        self.events, self.done = events, threading.Event()

    def follow(self, path):
        assert path == "/v1/events"
        yield from self.events
        self.done.set()


def said(role, text, call_id="call_1"):
    return {"type": "transcript", "call_id": call_id, "data": {"role": role, "text": text}}


def test_what_the_agent_says_is_what_the_gateway_tells_of_this_call(monkeypatch):
    monkeypatch.setattr(phone, "dictate", lambda audio, hz: pytest.fail("nobody has to listen"))
    heard = []
    begun = {"type": "answered", "call_id": "call_1", "data": {}, "record": {"sip_call_id": "ours"}}
    other = {"type": "answered", "call_id": "call_2", "data": {}, "record": {"sip_call_id": "theirs"}}
    gateway = Gateway(begun, other, said("assistant", "Hello."), said("assistant", "x", "call_2"), said("user", "hi"))
    words = _Words(heard.append, None)
    words.known_as("ours")
    words._follow(gateway)
    words.hear(np.full(HZ, 9000, "<i2").tobytes())
    words.close()
    assert heard == ["agent: Hello.", "heard of you: hi"]


def test_where_no_gateway_tells_ears_listen_to_each_turn(monkeypatch):
    heard, turns = [], []
    monkeypatch.setattr(phone, "dictate", lambda audio, hz: turns.append((len(audio), hz)) or "how do you do")

    class Nobody:
        def follow(self, path):
            raise ConfigError("http://h", "no gateway answers there")

    words = _Words(heard.append, Nobody())
    for samples in (np.full(HZ, 9000, "<i2"), np.zeros(HZ, "<i2"), np.full(HZ // 10, 9000, "<i2")):
        words.hear(samples.tobytes())
        words.pause()
    words.close()
    assert turns == [(HZ, HZ)]  # silence and a click are no words
    assert heard == ["agent, as a machine hears it: how do you do"]


def test_who_talks_by_microphone_reads_each_turn_too():
    level, pauses = [5], []
    one = object.__new__(phone._Phone)
    one.errand, one._answered_at = PhoneCall("sip:a@h", talk=True), 0.0
    one._calls = [SimpleNamespace(media=SimpleNamespace(getTxLevel=lambda: level[0]))]
    one._words_of, one._quiet_since = SimpleNamespace(pause=lambda: pauses.append(1)), 0.0
    assert not one._take_turn()
    level[0] = 0
    assert not one._take_turn()
    assert pauses == []  # it has only just become quiet
    one._quiet_since -= 1
    assert not one._take_turn()
    assert pauses == [1]
