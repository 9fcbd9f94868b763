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


def keys(*packets):
    """`packets`: (key, timestamp, duration, end, seconds); numbered in their order."""
    receiver, found = DigitReceiver(), ""
    for number, (key, timestamp, duration, end, at) in enumerate(packets):
        payload = event_payload(key, duration, end)
        found += receiver.push(payload, timestamp, number, False, at) or ""
    return found


def press(key, timestamp, at, step=0, length=5):
    """One press as a sender makes it: 20 ms packets, the end three times; `step` is added to the timestamp of each."""
    grown = [(key, timestamp + n * step, 160 * (n + 1), False, at + n * 0.02) for n in range(length)]
    last = at + length * 0.02
    return [*grown, *[(key, timestamp + (length + n) * step, 160 * (length + 1), True, last) for n in range(3)]]


def test_by_the_standard():
    assert keys(*press("1", 800, 0.0), *press("1", 2400, 0.25), *press("2", 4000, 0.5)) == "112"


def test_a_sender_that_counts_the_timestamp_up_within_a_press():
    assert keys(*press("1", 800, 0.0, step=160), *press("1", 3200, 0.3, step=160), *press("9", 6400, 0.6, 160)) == "119"


def test_a_sender_that_has_one_timestamp_for_all():
    assert keys(*press("1", 800, 0.0), *press("1", 800, 0.3), *press("2", 800, 0.6), *press("2", 800, 0.9)) == "1122"


def test_presses_whose_ends_were_lost():
    first, second = press("5", 800, 0.0)[:4], press("5", 1600, 0.1)[:4]
    assert keys(*first, *second) == "55"


def test_a_press_of_which_only_the_ends_came():
    assert keys(*press("1", 800, 0.0), ("1", 4000, 800, True, 0.4), ("1", 4000, 800, True, 0.4)) == "11"


def test_a_packet_that_was_overtaken_is_no_other_press():
    receiver = DigitReceiver()
    order = [(0, False), (2, True), (1, False), (3, True)]
    found = [receiver.push(event_payload("7", 160 * (n + 1), end), 800, n, False, 0.02 * n) for n, end in order]
    assert found == ["7", None, None, None]


def test_a_press_of_ten_seconds_is_told_in_segments():
    """RFC 4733 section 2.5.1.3."""
    one = [("3", 800, min(160 * (n + 1), 0xFFFF), False, n * 0.02) for n in range(410)]
    two = [("3", 800 + 0xFFFF, 160 * (n + 1), False, 8.2 + n * 0.02) for n in range(50)]
    assert keys(*one, *two) == "3"
