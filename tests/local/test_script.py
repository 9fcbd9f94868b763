from dataclasses import asdict

import pytest

from gateway.local import Rule, Script
from gateway.local.script import normalize

SCRIPT = Script(
    (
        Rule(("[please] transfer me to {who}", "[DTMF] 1#")),
        Rule(("what's new",), says="nothing"),
    ),
    {"who": ("sales", "the back office")},
)


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("Transfer me to sales.", {"who": "sales"}),
        ("please transfer me to the  back office", {"who": "the back office"}),
        ("[DTMF] 1#", {}),
        ("What's new?", {}),
    ],
)
def test_what_is_understood(text, slots):
    found = SCRIPT.find(text)
    assert found is not None
    assert found[1] == slots


@pytest.mark.parametrize("text", ["", "transfer me to nobody", "transfer me to", "[DTMF] 1", "please"])
def test_what_is_not(text):
    assert SCRIPT.find(text) is None


def test_the_grammar_holds_what_is_spoken_and_no_keys():
    grammar = SCRIPT.grammar()
    assert grammar.startswith("#JSGF V1.0;\n")
    assert "<who> = sales | the back office;" in grammar
    assert "[please] transfer me to <who> | what's new" in grammar
    assert "dtmf" not in grammar
    assert SCRIPT.words() == {"please", "transfer", "me", "to", "sales", "the", "back", "office", "what's", "new"}
    assert Script().grammar() == ""


def test_there_and_back_and_normal_form():
    assert Script.from_json(asdict(SCRIPT)) == SCRIPT
    assert normalize("  I'd LIKE,\nto… go! ") == "i'd like to go"
