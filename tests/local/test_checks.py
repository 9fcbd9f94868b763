import pytest

from gateway.local.checks import EventError, decode, merge, need


@pytest.mark.parametrize(("text", "code"), [("{", "invalid_json"), ("[1]", "invalid_type"), ("5", "invalid_type")])
def test_what_is_no_event(text, code):
    with pytest.raises(EventError) as caught:
        decode(text)
    assert caught.value.code == code
    assert decode(b'{"type": "x"}') == {"type": "x"}


def test_fields_that_have_to_be_there():
    assert need({"n": 3}, "n", int) == 3
    missing, wrong = "missing_required_parameter", "invalid_type"
    for fields, code in (({}, missing), ({"n": "3"}, wrong), ({"n": True}, wrong)):
        with pytest.raises(EventError) as caught:
            need(fields, "n", int, "item.n")
        assert (caught.value.code, caught.value.param) == (code, "item.n")


def test_an_update_names_what_changes():
    config = {"audio": {"input": {"a": 1, "turn_detection": {"type": "server_vad", "threshold": 0.5}}}, "tools": [1]}
    merge(config, {"audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}, "tools": []})
    assert config == {"audio": {"input": {"a": 1, "turn_detection": {"type": "semantic_vad"}}}, "tools": []}
