import pytest

from gateway.bridge.tools.schema import checked
from gateway.errors import ToolError

SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "enum": ["today", "tomorrow"]},
        "seats": {"type": "integer", "minimum": 1},
    },
    "required": ["day"],
}


def test_what_fits_is_given():
    assert checked("book", SCHEMA, '{"day": "today", "seats": 2}') == {"day": "today", "seats": 2}
    assert checked("ping", {"type": "object"}, "") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "'day' is a required property"),
        ('{"day": "never"}', "day: 'never' is not one of"),
        ('{"day": "today", "seats": 0}', "seats: 0 is less than the minimum of 1"),
        ('{"day": 1, "seats": "x"}', "seats: 'x' is not of type 'integer'"),
    ],
)
def test_what_does_not_is_told_to_the_model(text, says):
    with pytest.raises(ToolError) as caught:
        checked("book", SCHEMA, text)
    assert says in caught.value.problem
