import re
from pathlib import Path

import gateway
from gateway.bridge.reasons import BY_CAUSE, BY_Q850, BY_STATUS, OURS, REASONS
from gateway.outcomes import RETRY_AFTER, Outcome, Refusal

ROOT = Path(gateway.__file__).parent


def test_each_has_its_meaning():
    for word in (*Outcome, *Refusal):
        assert word.meaning[0].islower() or word.meaning[0] in "`SR", word
        assert not word.meaning.endswith("."), word
    assert Outcome("busy") is Outcome.BUSY
    assert f"{Outcome.BUSY}" == "busy"


def test_each_is_told_by_somebody():
    """An outcome that nothing leads to would be a row of the documentation that never comes true."""
    told = {reason.outcome for reason in (*REASONS.values(), OURS)} | {*BY_STATUS, *BY_CAUSE.values(), *BY_Q850}
    for path in ROOT.rglob("*.py"):
        if path.name != "outcomes.py":
            told |= {Outcome[name] for name in re.findall(r"\bOutcome\.([A-Z_0-9]+)", path.read_text())}
    assert told == set(Outcome)


def test_who_may_come_again_is_told_by_names_that_there_are():
    assert set(RETRY_AFTER) <= {*Outcome, *Refusal}
