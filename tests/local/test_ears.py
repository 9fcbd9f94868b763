import numpy as np
import pytest

from gateway.agents import BUNDLED, load_agents
from gateway.errors import ConfigError
from gateway.local import Rule, Script
from gateway.local.chat import Chat
from gateway.local.ears import Ears
from tests.speech import telephone

pytest.importorskip("pocketsphinx", reason="no recogniser for this Python: the embedded server has no ears")

PHRASES = [
    *(f"transfer me to {who}" for who in ("sales", "support", "billing")),
    "I would like to speak to a human",
    "what are your opening hours",
    *(
        f"book an appointment for {day} at {time}"
        for day in ("today", "tomorrow")
        for time in ("eight", "nine", "ten", "noon")
    ),
    "yes",
    "no",
    "goodbye",
]


@pytest.fixture(scope="module")
def ears():
    local = load_agents(BUNDLED)["receptionist"].definition.local
    return Ears("receptionist", Script.from_json(local.model_dump()))


@pytest.mark.parametrize("phrase", PHRASES)
def test_the_receptionist_understands_on_the_telephone(ears, spoken, phrase):
    assert ears.understand(spoken(phrase)) == phrase.lower()


def test_noise_and_nothing_are_not_understood(ears):
    assert ears.understand(np.zeros(0, np.int16)) == ""
    assert ears.understand(np.zeros(16000, np.int16)) == ""


def test_a_word_that_cannot_be_recognised_is_named():
    with pytest.raises(ConfigError, match="'xyzzyx' is not in the recogniser's dictionary"):
        Ears("agent", Script((Rule(("say xyzzyx",)),)))


def test_without_phrases_there_are_no_ears():
    assert Ears("agent", Script()).understand(np.ones(16000, np.int16)) == ""


def test_with_a_model_behind_it_any_words_may_be_heard():
    ears = Ears("eve", Script(chat=Chat("http://127.0.0.1:9/v1", "m")))
    heard = ears.understand(telephone("one two three four five", 300, 500))
    assert sum(word in heard.split() for word in ("one", "two", "three", "four", "five")) >= 3
