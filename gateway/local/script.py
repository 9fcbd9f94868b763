"""What the embedded server understands and answers: an agent's phrases and rules, and the grammar made of them.

A phrase is words, `{slot}` for one of a slot's words, and `[words]` that may be left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from gateway.local.chat import Chat

_PIECE = re.compile(r"\{(\w+)\}|\[([^\]]+)\]|([^\s{\[]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """When one of `hears` is understood: say `says`, then call the tool `calls` with `arguments`.

    When the tool has answered, say `then` or, where the answer holds an `error`, `failed`. All texts may name slots
    and the fields of the tool's answer in braces; `{output}` is the whole answer.
    """

    hears: tuple[str, ...]
    says: str = ""
    calls: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    then: str = "{output}"
    failed: str = "I am sorry, that did not work. {error}"


@dataclass(frozen=True, slots=True)
class Script:
    """The rules of one agent. `slots` gives the words of each slot.

    `otherwise` is said to what is not understood, `idle` to who says nothing for `idle_timeout_ms`. With `chat`
    somebody else finds the answers, and rules only say what may be heard; without any that is everything.
    """

    rules: tuple[Rule, ...] = ()
    slots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    otherwise: str = "I am sorry, I did not understand."
    idle: str = "Are you still there?"
    chat: Chat | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Script:
        """The reverse of `dataclasses.asdict`."""
        rules = tuple(Rule(**{**rule, "hears": tuple(rule["hears"])}) for rule in data["rules"])
        chat = Chat(**data["chat"]) if data.get("chat") else None
        slots = {name: tuple(words) for name, words in data["slots"].items()}
        return cls(rules, slots, data["otherwise"], data["idle"], chat)

    def find(self, text: str) -> tuple[Rule, dict[str, str]] | None:
        """The first rule that `text` fits, with the words that stood in its slots."""
        said = normalize(text)
        for rule in self.rules:
            for phrase in rule.hears:
                if found := re.fullmatch(self._pattern(phrase), said):
                    return rule, {name: word for name, word in found.groupdict().items() if word}
        return None

    def words(self) -> set[str]:
        """Every word that may be heard."""
        phrases = [re.sub(r"\{\w+\}", " ", phrase) for phrase in self._spoken()]
        options = [word for words in self.slots.values() for word in words]
        return {word for text in phrases + options for word in normalize(text).split()}

    def _spoken(self) -> list[str]:
        """All phrases but those of keys."""
        return [phrase for rule in self.rules for phrase in rule.hears if not phrase.lower().startswith("[dtmf]")]

    def grammar(self) -> str:
        """JSGF (the W3C note of June 2000) of all that may be heard; empty where there is nothing."""
        phrases = self._spoken()
        if not phrases:
            return ""
        lines = ["#JSGF V1.0;", "grammar agent;"]
        lines += [f"<{name}> = {' | '.join(normalize(word) for word in words)};" for name, words in self.slots.items()]
        return "\n".join([*lines, f"public <utterance> = {' | '.join(map(self._jsgf, phrases))};"])

    def _jsgf(self, phrase: str) -> str:
        return " ".join(
            f"<{slot}>" if slot else f"[{normalize(optional)}]" if optional else normalize(word)
            for slot, optional, word in _PIECE.findall(phrase)
        )

    def _pattern(self, phrase: str) -> str:
        if phrase.lower().startswith("[dtmf]"):
            return re.escape(normalize(phrase))
        pieces = []
        for slot, optional, word in _PIECE.findall(phrase):
            if slot:
                words = "|".join(re.escape(normalize(one)) for one in self.slots.get(slot, ()))
                pieces.append(rf"(?P<{slot}>{words})\s*")
            elif optional:
                pieces.append(rf"(?:{re.escape(normalize(optional))})?\s*")
            else:
                pieces.append(rf"{re.escape(normalize(word))}\s*")
        return "".join(pieces)


def normalize(text: str) -> str:
    """Lower case, no punctuation but apostrophes and the keys of a telephone, single spaces."""
    return " ".join(re.sub(r"[^a-z0-9'*#]+", " ", text.lower()).split())
