"""The phone's own mistakes; its calls are in e2e/test_phone.py."""

import pytest

from gateway.errors import ConfigError
from gateway.phone import Errand, call

pytest.importorskip("pjsua2", reason="pjsua2-python has no wheel for this Python")


@pytest.mark.parametrize("target", ["reception", "http://127.0.0.1", "sip:"])
def test_who_cannot_be_called(target):
    with pytest.raises(ConfigError, match="not a SIP address"):
        call(Errand(target), print)
