import re
from dataclasses import fields
from pathlib import Path

import gateway
from gateway.events import EVENTS, Answered, CallEvent, Ended, Interrupted
from gateway.outcomes import Outcome

ROOT = Path(gateway.__file__).parent


def test_an_event_is_its_name_and_plain_data_and_what_is_none_is_left_out():
    event = CallEvent.of("c", 1.5, Ended(Outcome.BUSY, 486, "486 Busy Here"))
    assert (event.type, event.at) == ("ended", 1.5)
    assert event.data == {"outcome": "busy", "status": 486, "problem": "486 Busy Here"}
    assert Answered().data() == {}
    assert Interrupted("item_1", 0, "").data() == {"item_id": "item_1", "audio_end_ms": 0, "heard": ""}


def test_each_says_when_it_comes():
    for kind in EVENTS.values():
        assert kind.__doc__ is not None
        assert not kind.__doc__.startswith(kind.__name__), f"{kind.__name__} needs a docstring of its own"
        assert kind.__doc__.endswith((".", "told.", ")."))


def test_each_is_told_by_somebody_and_named_in_no_other_file():
    """No literal of a name that is an event's alone: who means the event says events.X."""
    text = {path: path.read_text() for path in ROOT.rglob("*.py") if path.name != "events.py"}
    for name, kind in EVENTS.items():
        assert any(re.search(rf"\b{kind.__name__}\b", one) for one in text.values()), name
    alone = {name for name in EVENTS if "_" in name} - {"no_input", "tool_call", "provider_failed"}
    for path, one in text.items():
        if not path.is_relative_to(ROOT / "local"):
            for name in re.findall(r"[\"'](\w+)[\"']", one):
                assert name not in alone, f"{path.relative_to(ROOT)} names the event {name}"


def test_the_dashboard_names_events_that_there_are():
    script = (ROOT / "api/dashboard/timeline.js").read_text()
    marks = re.search(r"const marks = \{(.*?)\};", script, re.DOTALL)
    assert marks is not None
    assert set(re.findall(r"(\w+): \[", marks[1])) <= set(EVENTS)


def test_no_data_is_called_what_every_event_has():
    for kind in EVENTS.values():
        assert not {one.name for one in fields(kind)} & {"call_id", "call", "at", "time", "type"}
