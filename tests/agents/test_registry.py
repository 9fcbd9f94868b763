from typing import Annotated, Literal

import pytest
from pydantic import Field

from gateway.agents import CallContext
from gateway.agents.registry import describe, is_tool, tool
from gateway.errors import ToolError


@tool
def book(
    day: Literal["today", "tomorrow"],
    call: CallContext,
    guests: Annotated[int, Field(description="How many.", ge=1)] = 1,
) -> str:
    """Book a table.

    This part is for whoever reads the code.
    """
    return f"{day} {guests} {call}"


def test_the_schema_is_the_signature():
    definition = describe(book).definition
    assert (definition["name"], definition["description"]) == ("book", "Book a table.")
    parameters = definition["parameters"]
    assert parameters["required"] == ["day"]
    assert parameters["properties"]["day"]["enum"] == ["today", "tomorrow"]
    assert parameters["properties"]["guests"]["description"] == "How many."
    assert "call" not in parameters["properties"]
    assert parameters["additionalProperties"] is False


def test_arguments_are_checked_and_the_call_is_filled_in():
    assert describe(book).bind('{"day": "today", "guests": 2}', "the call")() == "today 2 the call"
    assert describe(book).bind('{"day": "today"}', "c")() == "today 1 c"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "day: Field required"), ("{", "JSON"), ("[]", "object"), ('{"day": "someday"}', "day: Input should be"),
        ('{"day": "today", "guests": 0}', "guests"), ('{"day": "today", "wine": 1}', "wine: Extra"),
    ],
)  # fmt: skip
def test_what_the_model_got_wrong_it_can_read(arguments, says):
    with pytest.raises(ToolError, match=says):
        describe(book).bind(arguments, None)


def test_a_parameter_without_a_type_is_a_mistake():
    with pytest.raises(TypeError, match="'x' has no type hint"):
        describe(lambda x: x)


def test_only_what_is_marked_is_a_tool():
    assert is_tool(book)
    assert not is_tool(describe)
    assert not is_tool(5)
