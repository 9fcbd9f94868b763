"""Calls on PJSIP are in e2e/test_phone.py; here is what stands before them."""

import sys

import pytest

from gateway.errors import ConfigError
from gateway.phone import PhoneCall, call


def test_without_a_wheel_of_it_the_phone_says_so_and_what_it_uses_instead(monkeypatch):
    monkeypatch.setitem(sys.modules, "pjsua2", None)
    with pytest.raises(ConfigError, match=r"--stack: PJSIP .*; leave it out, or say --stack own"):
        call(PhoneCall("sip:a@127.0.0.1:9", stack="pjsip"), print)
    told = []
    assert call(PhoneCall("sip:a@127.0.0.1:9", seconds=0.3), told.append) is False
    assert "this is the gateway's own stack" in told[0]
