import time

import pytest

from gateway.agents import BUNDLED, load_agents
from gateway.bridge.tools import built_in as tools
from gateway.errors import ToolError


def test_what_the_model_is_offered():
    offered = tools.definitions(load_agents(BUNDLED)["receptionist"])
    assert [one["name"] for one in offered] == ["transfer_call", "hang_up", "opening_hours", "book_appointment"]
    assert offered[0]["parameters"]["properties"]["target"]["enum"] == ["sales", "support", "billing"]


def test_arguments_and_outputs():
    assert tools.arguments_of("f", "") == {}
    for text in ("{", "[]", "5"):
        with pytest.raises(ToolError, match="JSON"):
            tools.arguments_of("f", text)
    assert tools.output_of("as it is") == "as it is"
    assert tools.output_of({"when": time.gmtime(0)[:3]}) == '{"when":[1970,1,1]}'
    assert tools.failure("no") == '{"error":"no"}'
