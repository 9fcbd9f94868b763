"""What the agent says: by the API of the gateway that has the call, or by ears."""

import threading

import numpy as np
import pytest

from gateway.errors import ApiError
from gateway.local import NO_EARS
from gateway.phone import HZ, words
from gateway.phone.words import Words


class Gateway:
    """Tells of two calls, of which one is ours."""

    def __init__(self, *events, warnings=()):
        self.events, self.done = events, threading.Event()
        self.warnings, self.posted = list(warnings), []

    def get(self, path):
        assert path == "/ready"
        return {"ready": True, "warnings": self.warnings}

    def post(self, path, body=None):
        self.posted.append((path, body))
        if body["text"] == "refused":
            raise ApiError("http://h", "no such call")

    def follow(self, path):
        assert path == "/v1/events"
        yield from self.events
        self.done.set()


def said(role, text, call_id="call_1"):
    return {"type": "transcript", "call_id": call_id, "data": {"role": role, "text": text}}


def test_what_the_agent_says_is_what_the_gateway_tells_of_this_call(monkeypatch):
    monkeypatch.setattr(words, "dictate", lambda audio, hz: pytest.fail("nobody has to listen"))
    heard = []
    begun = {"type": "answered", "call_id": "call_1", "data": {}, "record": {"sip_call_id": "ours"}}
    other = {"type": "answered", "call_id": "call_2", "data": {}, "record": {"sip_call_id": "theirs"}}
    gateway = Gateway(begun, other, said("assistant", "Hello."), said("assistant", "x", "call_2"), said("user", "hi"))
    one = Words(heard.append, None)
    one.known_as("ours")
    one._follow(gateway)
    one.hear(np.full(HZ, 9000, "<i2").tobytes())
    one.close()
    assert heard == ["agent: Hello.", "heard of you: hi"]


def test_a_gateway_that_hears_no_words_gets_them_as_text():
    heard = []
    begun = {"type": "answered", "call_id": "call_1", "data": {}, "record": {"sip_call_id": "ours"}}
    for warnings, takes in (((), False), (("another", NO_EARS), True)):
        gateway = Gateway(begun, warnings=warnings)
        one = Words(heard.append, None)
        one._gateway = gateway
        assert not one.hand_over("too early")
        one.known_as("ours")
        one._follow(gateway)
        assert one.hand_over("what are your opening hours") is takes
        assert one.hand_over("refused") is takes
        one.close()
    item = {"text": "what are your opening hours", "role": "user", "respond": True}
    assert gateway.posted[0] == ("/v1/calls/call_1/inject", item)
    assert heard == ["the gateway does not take our words: http://h: no such call"]


def test_where_no_gateway_tells_ears_listen_to_each_turn(monkeypatch):
    heard, turns = [], []
    monkeypatch.setattr(words, "dictate", lambda audio, hz: turns.append((len(audio), hz)) or "how do you do")

    class Nobody:
        def get(self, path):
            raise ApiError("http://h", "no gateway answers there")

        def follow(self, path):
            raise ApiError("http://h", "no gateway answers there")

    one = Words(heard.append, Nobody())
    for samples in (np.full(HZ, 9000, "<i2"), np.zeros(HZ, "<i2"), np.full(HZ // 10, 9000, "<i2")):
        one.hear(samples.tobytes())
        one.pause()
    one.close()
    assert turns == [(HZ, HZ)]  # silence and a click are no words
    assert heard == ["agent, as a machine hears it: how do you do"]
