import httpx
import pytest

from gateway.agents import Agent, AgentDefinition
from gateway.bridge.tools.built_in import definitions
from gateway.bridge.tools.external_tools import with_tools
from gateway.errors import ConfigError


class ServerTool:
    is_async = True

    def __init__(self, name):
        self.name, self.definition = name, {"type": "function", "name": name}


SERVERS = {"clock": [ServerTool("clock_now"), ServerTool("clock_convert")]}
BOOK = {"url": "http://127.0.0.1:9/", "description": "Book a table."}


def equipped(secrets=None, **fields):
    agent = Agent("eve", "eve.yaml", AgentDefinition.model_validate(fields), {})
    return with_tools({"eve": agent}, secrets or {}, httpx.AsyncClient(), SERVERS)["eve"]


def test_tools_from_everywhere_in_the_files_order():
    eve = equipped(tools=("clock_*", "hang_up", "book"), webhooks={"book": BOOK}, mcp=("clock",))
    assert eve.definition.tools == ("clock_now", "clock_convert", "hang_up", "book")
    assert [row["name"] for row in definitions(eve)] == list(eve.definition.tools)
    assert list(eve.tools) == ["clock_now", "clock_convert", "book"]
    assert list(equipped(tools=("clock_now",), mcp=("clock",)).tools) == ["clock_now"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mcp": ("calendar",)}, "no MCP server 'calendar'"),
        ({"mcp": ("clock",), "tools": ("clock_alarm",)}, "no tool 'clock_alarm'; these are: clock_now, clock_convert"),
    ],
)
def test_what_there_is_not(fields, says):
    with pytest.raises(ConfigError, match=says):
        equipped(**fields)


def test_a_secret_that_signs_nothing():
    with pytest.raises(ConfigError, match=r"eve\.yaml: webhooks\.book: the secret is not base64"):
        equipped({("eve", "book"): "?!"}, webhooks={"book": BOOK})
