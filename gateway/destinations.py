"""Where a call can go: one word for routes, menus, transfers, commands and calls of ours.

| word | where |
| --- | --- |
| `agent:NAME` | an agent |
| `menu:NAME` | a menu, whose keys lead further |
| `hours:NAME` | further, by whether a calendar is open |
| `voicemail:NAME` | a mailbox |
| `sip:USER@HOST`, `sips:...`, `tel:NUMBER`, a number | somebody's telephone; `?trunk=NAME` says by which trunk |
| `hangup` | the end of the call |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["agent", "menu", "hours", "voicemail", "sip", "sips", "tel", "hangup"]

NAMED = ("agent", "menu", "hours", "voicemail")
"""Kinds whose name stands in the gateway's file, or in its folder of agents."""

TELEPHONES = ("sip", "sips", "tel")

_NUMBER = re.compile(r"\+?[0-9*#][0-9 ().*#-]{0,30}")
_URI = re.compile(r"(sips?|tel):[^\s<>\"]{1,200}")
_TRUNK = re.compile(r"([?&])trunk=([^&]*)&?")


@dataclass(frozen=True, slots=True)
class Destination:
    """`name` is that of an agent, a menu, a calendar or a mailbox; of a telephone it is the URI, without `trunk`."""

    kind: Kind
    name: str = ""
    trunk: str = ""

    def __str__(self) -> str:
        if self.kind in TELEPHONES:
            return f"{self.name}{'&' if '?' in self.name else '?'}trunk={self.trunk}" if self.trunk else self.name
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def telephone(self) -> bool:
        return self.kind in TELEPHONES


def read(text: str) -> Destination:
    """Raises ValueError, which says what may stand there."""
    text = text.strip()
    if text == "hangup":
        return Destination("hangup")
    word, _, name = text.partition(":")
    if word.lower() in NAMED:
        if not re.fullmatch(r"[^\s:?]{1,64}", name):
            raise ValueError(f"{text!r} names no {word}: it is written {word}:NAME")
        return Destination(_kind(word.lower()), name)
    uri, trunk = split_trunk(text)
    if _NUMBER.fullmatch(uri):
        uri = "tel:" + re.sub(r"[ ().-]", "", uri)
    if not (found := _URI.fullmatch(uri)):
        raise ValueError(
            f"{text!r} is no destination: {', '.join(f'{one}:NAME' for one in NAMED)}, a sip: or tel: URI,"
            " a number, or hangup"
        )
    return Destination(_kind(found[1]), uri, trunk)


def split_trunk(text: str) -> tuple[str, str]:
    """A telephone, and the trunk that `?trunk=NAME` names; empty where it names none."""
    found = _TRUNK.search(text)
    if not found:
        return text, ""
    rest = text[found.end() :]
    return text[: found.start()] + (found[1] + rest if rest else ""), found[2]


def _kind(word: str) -> Kind:
    return next(kind for kind in get_args(Kind) if kind == word)
