"""Yes or no, in what a caller said."""

from __future__ import annotations

import re
from typing import Literal

from gateway.agents import ConsentRules

WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (
        ("yes", "yeah", "yep", "sure", "okay", "ok", "of course", "i agree", "agreed", "i accept", "fine", "go ahead",
         "that is fine", "that's fine"),
        ("no", "nope", "not", "don't", "do not", "i refuse", "never", "stop"),
    ),
    "de": (
        ("ja", "jawohl", "gerne", "okay", "ok", "einverstanden", "in ordnung", "ich stimme zu", "natürlich", "klar"),
        ("nein", "nee", "nicht", "kein", "keine", "auf keinen fall"),
    ),
    "fr": (
        ("oui", "d'accord", "ok", "okay", "bien sûr", "j'accepte", "volontiers"),
        ("non", "pas", "je refuse", "jamais"),
    ),
    "es": (
        ("sí", "si", "claro", "vale", "de acuerdo", "por supuesto", "acepto", "está bien"),
        ("no", "nunca", "tampoco"),
    ),
    "it": (("sì", "si", "certo", "va bene", "d'accordo", "accetto", "ok", "okay"), ("no", "non", "mai", "rifiuto")),
    "nl": (("ja", "jawel", "akkoord", "goed", "prima", "oké", "ok", "natuurlijk"), ("nee", "niet", "geen", "nooit")),
}  # fmt: skip
"""Of each language those for yes and those for no."""


def answer_in(text: str, rules: ConsentRules) -> Literal["yes", "no", ""]:
    """The first of them that stands in it: "yes, no problem" is a yes, "I do not agree" is a no."""
    yes, no = WORDS[rules.language]
    plain = " " + " ".join(re.findall(r"[\w']+", text.lower().replace("’", "'"))) + " "
    places = {
        answer: min((at for word in words if (at := plain.find(f" {word.lower()} ")) >= 0), default=len(plain))
        for answer, words in (("no", (*no, *rules.no)), ("yes", (*yes, *rules.yes)))
    }
    if min(places.values()) == len(plain):
        return ""
    return "no" if places["no"] <= places["yes"] else "yes"
