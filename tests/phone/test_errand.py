"""The phone's own mistakes (all of them are in test_wrong_inputs.py); its calls are in e2e/test_phone.py."""

import pytest

from gateway.errors import ConfigError
from gateway.phone import PhoneCall, call, check


@pytest.mark.parametrize("target", ["reception", "http://127.0.0.1", "sip:"])
def test_who_cannot_be_called(target):
    with pytest.raises(ConfigError, match="not a SIP address"):
        call(PhoneCall(target), print)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        check(PhoneCall("reception", dtmf="x", seconds=0))
    assert [one.source for one in (caught.value, *caught.value.more)] == ["--dtmf", "--seconds", "reception"]


def test_a_stack_that_there_is_none_of():
    with pytest.raises(ConfigError, match="has to be one of auto, pjsip, own, not 'sofia'"):
        check(PhoneCall("sip:a@127.0.0.1", stack="sofia"))
