from dataclasses import is_dataclass
from typing import get_args

from gateway.sip.events import Event


def test_every_event_names_its_session():
    kinds = get_args(Event)
    assert len(kinds) == 12
    assert all(is_dataclass(kind) and "session" in kind.__dataclass_fields__ for kind in kinds)
