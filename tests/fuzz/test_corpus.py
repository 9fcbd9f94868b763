"""Every input that fuzzing found worth keeping, played back; and a short run over the wire."""

import pytest

from tests.fuzz import wire
from tests.fuzz.__main__ import FOLDER, NAMES
from tests.fuzz.targets import TARGETS

FILES = sorted(path for path in FOLDER.glob("*/*") if path.is_file())


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_of_every_target(target):
    found = [path for path in FILES if path.parent.name == target]
    assert len(found) > 10
    for path in found:
        TARGETS[target](path.read_bytes())


@pytest.mark.e2e
def test_mutated_messages_over_udp_and_tcp(capsys):
    assert wire.run(4000) == ""
    assert "OPTIONS answered afterwards: True; tracebacks: 0" in capsys.readouterr().out


def test_every_target_is_fuzzed():
    assert set(TARGETS) == set(NAMES)
