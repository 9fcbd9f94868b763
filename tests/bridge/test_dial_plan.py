import pytest

from gateway.bridge.dial_plan import DialPlan, DialRule, by_price, number_of

PLAN = DialPlan((DialRule("+49*", ("cheap", "dear")), DialRule("+1[2-9]*", ("us",)), DialRule("*21", ("pbx",))))


@pytest.mark.parametrize(
    ("target", "trunks"),
    [
        ("+4989123", ("cheap", "dear")),
        ("tel:+49-89-123", ("cheap", "dear")),
        ("+49 (89) 123", ("cheap", "dear")),
        ("+15551234567", ("us",)),
        ("+10551234567", ()),
        ("+33123", ()),
        ("321", ("pbx",)),
        ("sip:+4989123@carrier", ()),
    ],
)
def test_the_first_row_that_fits_says_which_trunks(target, trunks):
    assert PLAN.trunks_for(target) == trunks


@pytest.mark.parametrize(("target", "number"), [(" +1 (555) 01-00 ", "+15550100"), ("ann", "ann"), ("sips:a@b", "")])
def test_what_of_a_target_is_its_number(target, number):
    assert number_of(target) == number


def test_the_cheapest_is_tried_first():
    assert by_price({"dear": 1.2, "cheap": 0.8, "same": 0.8}) == ("cheap", "same", "dear")
