import pytest

from gateway.agents import ConsentRules
from gateway.bridge.call.consent import WORDS, answer_in


@pytest.mark.parametrize(
    ("language", "text", "answer"),
    [
        ("en", "Yes, please.", "yes"),
        ("en", "yes, no problem", "yes"),
        ("en", "I do not agree.", "no"),
        ("en", "No, not at all", "no"),
        ("en", "What did you say?", ""),
        ("en", "I know", ""),  # which has a no in it, and is none
        ("en", "", ""),
        ("en", "That’s fine", "yes"),
        ("en", "Don’t", "no"),
        ("de", "Ja, in Ordnung.", "yes"),
        ("de", "Ich möchte das nicht", "no"),
        ("fr", "Oui, d’accord", "yes"),
        ("fr", "Je ne veux pas", "no"),
        ("es", "Sí, claro", "yes"),
        ("it", "Certo", "yes"),
        ("nl", "Liever niet", "no"),
    ],
)
def test_yes_or_no(language, text, answer):
    assert answer_in(text, ConsentRules(language=language)) == answer


def test_an_agent_may_know_more_words():
    rules = ConsentRules(yes=("aye",), no=("nay",))
    assert [answer_in(text, rules) for text in ("Aye!", "Nay.", "yes")] == ["yes", "no", "yes"]


def test_each_language_of_the_rules_has_words():
    languages = ConsentRules.model_fields["language"].annotation.__args__
    assert set(languages) == set(WORDS)
