import pytest

from gateway.rtp.dtmf import DIGITS, DigitReceiver, event_payload


@pytest.mark.parametrize("digit", DIGITS)
def test_there_and_back(digit):
    payload = event_payload(digit, 160, end=False)
    assert len(payload) == 4
    assert DigitReceiver().push(payload, 1) == digit


def test_what_is_no_digit():
    receiver = DigitReceiver()
    assert receiver.push(b"\1", 1) is None
    assert receiver.push(bytes([16, 0, 0, 0]), 2) is None  # a flash is an event, not a key
    assert event_payload("0", 999999, end=True) == bytes([0, 0x8A, 0xFF, 0xFF])
