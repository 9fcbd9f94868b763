"""The sections menus and voicemail of the gateway's file, and every destination that stands in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator

from gateway.agents import Agents, Prompted
from gateway.bridge import HANG_UP, Fork, Mailbox, Menu, Places, Route
from gateway.config.hours import Goal, HoursRow
from gateway.config.prompts import check_voice
from gateway.delivery import MailSettings, TranscriptionService, VoicemailSettings
from gateway.destinations import Destination, read
from gateway.document import Faults, Section, fill, says, section_of
from gateway.errors import ConfigError
from gateway.prompts import EMBEDDED, PromptSettings

if TYPE_CHECKING:
    TranscriptionRow = Any
    Mail = Any
else:
    _KEY = says("the variable of the environment that holds the key", "OPENAI_API_KEY")
    TranscriptionRow = section_of(
        TranscriptionService, Section, {"name": None, "key": None, "key_env": (Annotated[str, _KEY], "")}
    )
    _PASSWORD = says("the variable of the environment that holds the password", "SMTP_PASSWORD")
    Mail = section_of(MailSettings, Section, {"password": None, "password_env": (Annotated[str, _PASSWORD], "")})


def _as_text(keys: Any) -> Any:
    """Keys that YAML takes for numbers."""
    if not isinstance(keys, dict):
        return keys
    return {str(key) if isinstance(key, int) and not isinstance(key, bool) else key: to for key, to in keys.items()}


class MenuRow(Section):
    """What a caller chooses from by keys."""

    says: Annotated[
        Prompted,
        says(
            "what it says: text, or `say` with `speech` and `voice`, or a `prompt` of the file; `interruptible: false` "
            "keeps keys until it has been heard",
            "For sales press 1, for support 2.",
        ),
    ]
    keys: Annotated[
        dict[str, Goal],
        BeforeValidator(_as_text),
        says(
            "keys (`1`, `*`, `24`) and where each leads; one that begins a longer one counts after `digit_seconds`",
            {"1": "agent:sales", "2": "tel:+4930123456"},
            min_length=1,
        ),
    ]
    otherwise: Annotated[
        Goal, says("where who presses nothing, or nothing that is known, goes after `tries`", "agent:reception")
    ] = HANG_UP
    speech: Annotated[
        Goal | None, says("where who speaks instead of pressing a key goes, such as an agent", "agent:reception")
    ] = None
    wrong: Annotated[Prompted, says("what is said first to who pressed something else", "Sorry, not that key.")] = (
        Prompted()
    )
    wait_seconds: Annotated[float, says("for a key, once it has been said", gt=0, le=60)] = 5.0
    digit_seconds: Annotated[float, says("for the next key of several", gt=0, le=10)] = 2.0
    tries: Annotated[int, says("times that it is said", ge=1, le=10)] = 2
    answer: Annotated[
        Literal["at_once", "early"],
        says(
            "early: said before the call is answered, and so before it costs anything; on trunks with `answer: early`"
        ),
    ] = "at_once"


class MailboxRow(Section):
    """What callers leave messages in; they lie in `voicemail` of the folder `recordings`."""

    says: Annotated[Prompted, says("what is said before the beep, as in a menu", "Please leave a message.")]
    thanks: Annotated[Prompted, says("and what after the message", "Thank you, goodbye.")] = Prompted()
    max_seconds: Annotated[float, says("longest message", gt=0, le=3600)] = 180.0
    silence_seconds: Annotated[
        float, says("without a voice, after which it ends; `#` ends it at once", gt=0, le=60)
    ] = 5.0
    least_seconds: Annotated[float, says("of which less is not kept", ge=0, le=60)] = 1.0
    transcribe: Annotated[
        str,
        says("who writes down what was said: a row of `transcription`, or `local`, the embedded recogniser (English)"),
    ] = ""
    mail_to: Annotated[
        tuple[str, ...], says("addresses that each message is mailed to; needs `mail`", ["team@example.com"])
    ] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What destinations may name."""

    agents: tuple[str, ...]
    trunks: tuple[str, ...]


def places_of(
    menus: Mapping[str, MenuRow],
    voicemail: Mapping[str, MailboxRow],
    hours: Mapping[str, HoursRow],
    known: Known,
    prompts: PromptSettings,
    recordings: bool,
    source: str,
) -> Places:
    """Raises ConfigError, all others in its `more`."""
    faults = Faults()
    for section, names in (("menus", menus), ("voicemail", voicemail)):
        for name in names:
            if not re.fullmatch("[A-Za-z0-9_-]{1,64}", name):
                problem = "a name has letters, digits, - and _ alone"
                faults.add(ConfigError(source, problem, key=f"{section}.{name}"))
    forks = {}
    for name, calendar in hours.items():
        if bool(calendar.open_to) != bool(calendar.closed_to):
            missing = "closed_to" if calendar.open_to else "open_to"
            faults.add(ConfigError(source, f"wants {missing} beside it", key=f"hours.{name}"))
        elif calendar.open_to and calendar.closed_to:
            forks[name] = Fork(calendar.open_to, calendar.closed_to)
    places = Places(
        {name: fill(Menu, row, name=name) for name, row in menus.items()},
        {name: fill(Mailbox, row, name=name) for name, row in voicemail.items()},
        forks,
    )
    for name, row in menus.items():
        if wrong := [key for key in row.keys if not re.fullmatch("[0-9*#A-D]{1,20}", key)]:
            problem = f"{wrong[0]!r} cannot be pressed: keys are 0-9 * # A-D, in quotes"
            faults.add(ConfigError(source, problem, key=f"menus.{name}.keys"))
        faults.of(partial(_check_said, row.says, prompts, source, f"menus.{name}.says", needed=True))
        faults.of(partial(_check_said, row.wrong, prompts, source, f"menus.{name}.wrong"))
    for name, box in voicemail.items():
        faults.of(partial(_check_said, box.says, prompts, source, f"voicemail.{name}.says"))
        faults.of(partial(_check_said, box.thanks, prompts, source, f"voicemail.{name}.thanks"))
    if voicemail and not recordings:
        faults.add(ConfigError(source, "has no folder for what callers say: set recordings", key="voicemail"))
    for key, to in goals_of(places):
        faults.of(partial(check_goal, to, places, known, source, key))
    if circle := places.circle():
        way = ", ".join(str(one) for one in circle)
        where = f"menus.{circle[0].name}.otherwise" if circle[0].kind == "menu" else f"hours.{circle[0].name}"
        problem = f"leads back to itself though nobody presses a key: {way}"
        faults.add(ConfigError(source, problem, key=where))
    faults.tell()
    return places


def goals_of(places: Places) -> Iterator[tuple[str, Destination]]:
    """Each with the key of the file that names it."""
    for name, menu in places.menus.items():
        yield from ((f"menus.{name}.{key}", to) for key, to in menu.ways())
    for name, fork in places.forks.items():
        yield f"hours.{name}.open_to", fork.open_to
        yield f"hours.{name}.closed_to", fork.closed_to


def check_goal(to: Destination, places: Places, known: Known, source: str, key: str) -> None:
    """There is what it names. Raises ConfigError."""
    there: dict[str, Any] = {
        "agent": known.agents,
        "menu": places.menus,
        "hours": places.forks,
        "voicemail": places.mailboxes,
    }
    if to.kind in there and to.name not in there[to.kind]:
        names = ", ".join(there[to.kind]) or "none"
        more = " with open_to and closed_to" if to.kind == "hours" else ""
        raise ConfigError(source, f"{to}: there is no {to.kind} {to.name!r}{more}; these are: {names}", key=key)
    if to.trunk and to.trunk not in known.trunks:
        names = ", ".join(known.trunks) or "none"
        raise ConfigError(source, f"{to}: there is no trunk {to.trunk!r}; these are: {names}", key=key)


def check_routes(routes: tuple[Route, ...], places: Places, known: Known, source: str) -> None:
    """Raises ConfigError, all others in its `more`."""
    faults = Faults()
    for number, route in enumerate(routes):
        if route.to.kind != "agent":  # which is looked at with its own words
            faults.of(partial(check_goal, route.to, places, known, source, f"routes.{number}.to"))
        if route.otherwise:
            faults.of(partial(check_goal, route.otherwise, places, known, source, f"routes.{number}.otherwise"))
    faults.tell()


def check_targets(agents: Agents, places: Places, known: Known) -> None:
    """Where agents may send their callers, as far as it has no variable. Raises ConfigError, others in its `more`."""
    faults = Faults()
    for agent in agents.values():
        definition = agent.definition
        goals = {f"transfer_targets.{name}": to for name, to in definition.transfer_targets.items()}
        goals["on_provider_failure.forward"] = definition.on_provider_failure.forward
        for key, text in goals.items():
            if text and "{{" not in text:
                faults.of(partial(check_goal, read(text), places, known, agent.source, key))
    faults.tell()


def _check_said(said: Prompted, prompts: PromptSettings, source: str, key: str, needed: bool = False) -> None:
    if not said:
        if needed:
            raise ConfigError(source, "is empty: nobody would know what to press", key=key)
        return
    if said.prompt and said.prompt not in prompts.prompts:
        there = ", ".join(prompts.prompts) or "none"
        raise ConfigError(source, f"there is no prompt {said.prompt!r}; these are: {there}", key=key)
    check_voice(said.speech, prompts.services, source, key)


def voicemail_of(
    file_folder: Path | None,
    rows: Mapping[str, MailboxRow],
    services: Mapping[str, Any],
    mail: Any,
    hours: float,
    secret: Callable[[str, str, str], str],
    source: str,
) -> VoicemailSettings:
    """What becomes of messages. `secret` finds what a variable holds, for a row and its key. Raises ConfigError."""
    faults = Faults()
    known = {}
    for name, row in services.items():
        if name == EMBEDDED:
            problem = f"{EMBEDDED} is the embedded recogniser: take another name"
            faults.add(ConfigError(source, problem, key=f"transcription.{name}"))
        key = secret(f"transcription.{name}", row.key_env, "key_env") if row.key_env else ""
        known[name] = fill(TranscriptionService, row, name=name, key=key)
    for name, box in rows.items():
        if box.transcribe and box.transcribe not in (EMBEDDED, *known):
            there = ", ".join([EMBEDDED, *known])
            problem = f"there is no transcription {box.transcribe!r}; these are: {there}"
            faults.add(ConfigError(source, problem, key=f"voicemail.{name}.transcribe"))
        if box.transcribe == EMBEDDED and not find_spec("pocketsphinx"):
            problem = "there is no embedded recogniser for this Python: name a row of transcription"
            faults.add(ConfigError(source, problem, key=f"voicemail.{name}.transcribe"))
        if box.mail_to and mail is None:
            problem = "wants a mail server: set mail"
            faults.add(ConfigError(source, problem, key=f"voicemail.{name}.mail_to"))
        if wrong := [one for one in box.mail_to if not re.fullmatch(r"[^\s@]+@[^\s@]+", one)]:
            problem = f"{wrong[0]!r} is no address"
            faults.add(ConfigError(source, problem, key=f"voicemail.{name}.mail_to"))
    password = secret("mail", mail.password_env, "password_env") if mail and mail.password_env else ""
    faults.tell()
    return VoicemailSettings(
        file_folder,
        {name: row.transcribe for name, row in rows.items()},
        known,
        {name: row.mail_to for name, row in rows.items()},
        mail and fill(MailSettings, mail, password=password),
        hours,
    )
