import pytest

from gateway.bridge.call.call_info import CallInfo, CallStats
from gateway.call_record import Party

FACTS = CallInfo(
    "call_1", "sip-1", Party("sip:ann@h", "Ann"), Party("sip:desk@gw:5070"), "h", "gw:5070", {"x-a": "1"}, "node"
)


def test_what_agents_may_name():
    variables = FACTS.variables("bob")
    assert (variables["caller"], variables["called"], variables["called_host"]) == ("ann", "desk", "gw:5070")
    assert (variables["caller_name"], variables["agent"], variables["header.x-a"]) == ("Ann", "bob", "1")


def test_the_part_of_the_record_that_never_changes():
    assert FACTS.identity()["caller"] == "sip:ann@h"
    assert FACTS.identity()["direction"] == "inbound"


def test_what_a_call_costs():
    usage = {
        "total_tokens": 300,
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 120,
            "audio_tokens": 80,
            "cached_tokens_details": {"text_tokens": 100, "audio_tokens": 0},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
    }
    prices = {"text_input": 4, "audio_input": 32, "cached_input": 0.4, "text_output": 16, "audio_output": 64}
    stats = CallStats(0.0)
    stats.use(usage, {})
    assert stats.cost is None
    stats.use(usage, prices)
    assert stats.cost == pytest.approx((20 * 4 + 100 * 0.4 + 80 * 32 + 20 * 16 + 80 * 64) / 1e6)
    stats.use({"total_tokens": 5}, prices)  # without details
    assert stats.usage["total_tokens"] == 605
