"""By which trunks a number is called: the first row whose pattern fits says which, and in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class DialRule:
    """`called` is a shell pattern (`*`, `?`, `[0-9]`) on the number; `trunks` are tried in their order."""

    called: str
    trunks: tuple[str, ...]


class DialPlan:
    """Rows in their order."""

    def __init__(self, rules: tuple[DialRule, ...] = ()) -> None:
        self.rules = rules

    def trunks_for(self, target: str) -> tuple[str, ...]:
        """Of a number, with or without `tel:`; none for a SIP URI, which says itself where it is, or without a row."""
        number = number_of(target)
        return next((rule.trunks for rule in self.rules if number and fnmatchcase(number, rule.called)), ())


def number_of(target: str) -> str:
    """Without what people write between its digits; empty for a SIP URI."""
    text = target.strip()
    if text.lower().startswith(("sip:", "sips:")):
        return ""
    text = text[4:].partition(";")[0] if text.lower().startswith("tel:") else text
    return re.sub(r"[ ().-]", "", text) if re.match(r"\+?[\d(]", text) else text


def by_price(prices: Mapping[str, float]) -> tuple[str, ...]:
    """The cheapest first; of the same price in the order of the file."""
    return tuple(sorted(prices, key=lambda name: prices[name]))
