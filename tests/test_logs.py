import json

import pytest
import structlog

from gateway import logs


@pytest.fixture(autouse=True)
def _back_to_defaults():
    yield
    structlog.reset_defaults()


def test_json_lines_with_the_call(capsys):
    logs.configure("info", "json")
    structlog.get_logger("x").bind(call_id="call_1").info("call.answered", ms=5)
    structlog.get_logger("x").debug("not this")
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["call_id"], line["ms"], line["level"]) == ("call.answered", "call_1", 5, "info")
    assert line["timestamp"].endswith("Z")


def test_for_people(capsys):
    logs.configure("debug", "console")
    structlog.get_logger("x").debug("call.answered", call_id="call_1")
    assert "call.answered" in capsys.readouterr().err
