from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.sip.trunk.numbers import NoRule, NumberRule, NumberRules


@pytest.mark.parametrize(
    ("rules", "number", "made"),
    [
        ((), "+4989123", "+4989123"),
        (("+49* -> 0*", "+* -> 00*"), "+4989123", "089123"),
        (("+49* -> 0*", "+* -> 00*"), "+33123", "0033123"),
        (("+* -> *",), "+15551234567", "15551234567"),
        (("* -> +*",), "15551234567", "+15551234567"),
        (("00* -> +*", "0[1-9]* -> +49*"), "089123", "+4989123"),
        (("00* -> +*", "0[1-9]* -> +49*"), "0033123", "+33123"),
        (("+1?????????? -> 9*",), "+15551234567", "95551234567"),
        (("110 -> +49110",), "110", "+49110"),
        (("+49* -> *", "* -> *"), "33123", "33123"),
        (("+49* -> 0*",), "sales", "sales"),
    ],
)
def test_what_becomes_of_a_number(rules, number, made):
    assert NumberRules.parse(rules).apply(number) == made


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("+49*", "is no rule"),
        ("-> 0*", "is no rule"),
        ("+49* -> ", "leaves nothing"),
        ("+49* -> 0*1", "one \\* at its end"),
        ("110 -> 0*", "no wildcard"),
        ("+49* -> sip:0*", "the right of"),
        ("a* -> 0*", "the left of"),
        ("[1-9 -> 0*", "the left of"),
    ],
)
def test_what_is_no_rule_is_said(rule, says):
    with pytest.raises(ValueError, match=says):
        NumberRule.parse(rule)


@pytest.mark.parametrize("rules", [("* -> *", "+49* -> 0*"), ("+4* -> 0*", "+49* -> 0*"), ("1? -> 2*", "1? -> 3*")])
def test_a_rule_that_is_never_reached_is_said(rules):
    with pytest.raises(ValueError, match="is never reached"):
        NumberRules.parse(rules)


def test_a_number_that_no_rule_takes_is_named_with_the_rules():
    with pytest.raises(NoRule, match=r"no rule takes 0815; there are: \+49\* -> 0\*"):
        NumberRules.parse(("+49* -> 0*",)).apply("0815")
    with pytest.raises(NoRule, match="which is no number"):
        NumberRules.parse(("+49* -> +*",)).apply("+49")


@given(some.text(max_size=12), some.text(alphabet="+0123456789*#", max_size=20))
def test_any_text_is_a_rule_or_an_error_and_any_number_has_an_end(text, number):
    try:
        rules = NumberRules.parse((f"{text} -> 0*",))
    except ValueError:
        return
    with suppress(NoRule):
        assert len(rules.apply(number)) <= 40
