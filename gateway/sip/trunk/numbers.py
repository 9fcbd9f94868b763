"""Rules that rewrite numbers: what a carrier calls 004989... is +4989... here, and the other way round.

A rule is `PATTERN -> RESULT`. What stands in the pattern before its first wildcard is replaced by what stands in the
result before its `*`, and the wildcards' part is kept:

    +49* -> 0*          +498912345 is sent as 08912345
    0[1-9]* -> +49*     08912345 is +498912345
    * -> +*             a plus is put before every number

Wildcards are `*` (anything, also nothing), `?` (one character) and `[1-9]` (one of those). A pattern or a result
without any is the whole number: `110 -> +49110`. The first rule whose pattern fits is used. Where there are rules and
none of them fits, the number is not taken: `* -> *` as the last rule lets all others pass as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

NUMBER = re.compile(r"\+?[0-9*#][0-9*#-]*")
"""What rules are for: names, such as `sales`, pass as they are."""

_WILDCARD = re.compile(r"[*?\[]")
_PATTERN = re.compile(r"[0-9+#A-D*?-]*(?:\[!?[0-9+#-]+\][0-9+#A-D*?-]*)*")
_RESULT = re.compile(r"[0-9+#A-D-]*\*?")

MAX_LENGTH = 32
"""Characters of a number that a rule makes: E.164 has 15 digits, prefixes of carriers come before them."""


class NoRule(Exception):
    """No rule takes the number, or one makes something of it that is no number."""


@dataclass(frozen=True, slots=True)
class NumberRule:
    """`pattern` as written, `kept` is where its wildcards begin; `result` is put before what is kept."""

    text: str
    pattern: str
    kept: int
    result: str
    whole: bool  # the result is the number, and nothing is kept

    @classmethod
    def parse(cls, text: str) -> NumberRule:
        """Raises ValueError, which says what a rule is like."""
        pattern, arrow, result = (part.strip() for part in text.partition("->"))
        like = "a rule is like '+49* -> 0*'"
        if not arrow or not pattern:
            raise ValueError(f"{text!r} is no rule: {like}")
        if not _PATTERN.fullmatch(pattern):
            raise ValueError(f"the left of {text!r} may hold + # digits and the wildcards * ? [1-9]: {like}")
        if not _RESULT.fullmatch(result):
            raise ValueError(f"the right of {text!r} may hold + # digits, and one * at its end: {like}")
        if not result:
            raise ValueError(f"{text!r} leaves nothing of the number: {like}")
        wildcard = _WILDCARD.search(pattern)
        if result.endswith("*") and not wildcard:
            raise ValueError(f"the right of {text!r} has a * and the left has no wildcard whose part it could keep")
        kept = wildcard.start() if wildcard else len(pattern)
        return cls(f"{pattern} -> {result}", pattern, kept, result.removesuffix("*"), not result.endswith("*"))

    def takes(self, number: str) -> bool:
        return fnmatchcase(number, self.pattern)

    def apply(self, number: str) -> str:
        return self.result if self.whole else self.result + number[self.kept :]

    def covers(self, other: NumberRule) -> bool:
        """Whatever `other` takes this one takes, so far as their text shows."""
        if self.pattern == other.pattern:
            return True
        prefix = self.pattern.removesuffix("*")
        return self.pattern.endswith("*") and not _WILDCARD.search(prefix) and other.pattern.startswith(prefix)


@dataclass(frozen=True, slots=True)
class NumberRules:
    """Rules in their order; none change nothing."""

    rules: tuple[NumberRule, ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> NumberRules:
        """Raises ValueError, also for a rule that is never reached."""
        rules = tuple(NumberRule.parse(text) for text in texts)
        for at, rule in enumerate(rules):
            if before := next((one for one in rules[:at] if one.covers(rule)), None):
                raise ValueError(
                    f"the rule {rule.text!r} is never reached: {before.text!r} before it takes all of that"
                )
        return cls(rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def find(self, number: str) -> NumberRule | None:
        return next((rule for rule in self.rules if rule.takes(number)), None)

    def apply(self, number: str) -> str:
        """Raises NoRule. What is no number, and every number where there are no rules, is as it was."""
        if not self.rules or not NUMBER.fullmatch(number):
            return number
        rule = self.find(number)
        if rule is None:
            raise NoRule(f"no rule takes {number}; there are: {', '.join(one.text for one in self.rules)}")
        made = rule.apply(number)
        if len(made) > MAX_LENGTH or made in ("", "+"):
            raise NoRule(f"the rule {rule.text} makes {made[:40]!r} of {number}, which is no number")
        return made
