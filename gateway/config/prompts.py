"""The sections speech and prompts of the gateway's file, and what agents say exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from gateway.agents import AgentDefinition, Agents, Spoken, variables_in
from gateway.bridge import Places
from gateway.document import Faults, Section, fill, says, section_of
from gateway.errors import ConfigError
from gateway.prompts import EMBEDDED, Prompt, PromptSettings, SpeechService, Words, read_sound

if TYPE_CHECKING:
    SpeechRow = Any
    PromptRow = Any
else:
    SpeechRow = section_of(
        SpeechService,
        Section,
        {
            "name": None,  # the key of the mapping
            "key": None,
            "key_env": (
                Annotated[str, says("the variable of the environment that holds the key", "OPENAI_API_KEY")],
                "",
            ),
        },
    )
    PromptRow = section_of(Prompt, Section, {"name": None})


def prompts_of(
    speech: Mapping[str, Any],
    prompts: Mapping[str, Any],
    kept: Path | None,
    folder: Path,
    source: str,
    secret: Callable[[str, str, str], str],
) -> PromptSettings:
    """`secret` finds what a variable holds, for a row and its key. Raises ConfigError, all others in its `more`."""
    faults = Faults()
    services = {}
    for name, row in speech.items():
        if name == EMBEDDED:
            faults.add(
                ConfigError(source, f"{EMBEDDED} is the embedded voice: take another name", key=f"speech.{name}")
            )
        key = secret(f"speech.{name}", row.key_env, "key_env") if row.key_env else ""
        services[name] = fill(SpeechService, row, name=name, key=key)
    known = {}
    for name, row in prompts.items():
        place = f"prompts.{name}"
        if not row.text and not row.file:
            faults.add(ConfigError(source, "wants a text, a file, or both", key=place))
        if row.text and variables_in(row.text):
            problem = "has a variable: a prompt is the same for every call; an agent's `say` may have them"
            faults.add(ConfigError(source, problem, key=f"{place}.text"))
        faults.of(partial(check_voice, row.speech, services, source, place))
        path = row.file and folder / row.file
        if path:
            faults.of(partial(_check_file, path, source, f"{place}.file"))
        known[name] = fill(Prompt, row, name=name, file=path)
    faults.tell()
    return PromptSettings(known, services, kept and folder / kept)


def check_spoken(agents: Agents, settings: PromptSettings) -> None:
    """What agents say exactly can be said. Raises ConfigError, all others in its `more`."""
    faults = Faults()
    for agent in agents.values():
        for key, spoken in exact_of(agent.definition):
            if spoken.prompt and spoken.prompt not in settings.prompts:
                there = ", ".join(settings.prompts) or "none"
                problem = f"there is no prompt {spoken.prompt!r}; these are: {there}"
                faults.add(ConfigError(agent.source, problem, key=key))
            faults.of(partial(check_voice, spoken.speech, settings.services, agent.source, key))
    faults.tell()


def exact_of(definition: AgentDefinition) -> Iterator[tuple[str, Spoken]]:
    """What is sound of ours, by its key in the agent's file."""
    said = {
        "greeting": definition.greeting,
        "recording.announcement": definition.recording.announcement,
        "on_provider_failure.says": definition.on_provider_failure.says,
    }
    if definition.recording.consent:
        said["recording.consent.refused"] = definition.recording.consent.refused
    said |= {f"variants.{name}.greeting": one.greeting for name, one in definition.variants.items() if one.greeting}
    yield from ((key, spoken) for key, spoken in said.items() if spoken.exact)


def ahead_of_calls(agents: Agents, settings: PromptSettings, places: Places) -> list[Words]:
    """What has no variable in it, and so can be made before anybody calls."""
    found = [Words(prompt=name) for name in settings.prompts]
    said = [one for menu in places.menus.values() for one in (menu.says, menu.wrong)]
    said += [one for box in places.mailboxes.values() for one in (box.says, box.thanks)]
    found += [Words(one.say, one.prompt, one.speech, one.voice) for one in said if one and not variables_in(one.say)]
    for agent in agents.values():
        for _, spoken in exact_of(agent.definition):
            if not variables_in(spoken.say):
                found.append(Words(spoken.say, spoken.prompt, spoken.speech, agent.definition.voice_of(spoken)))
    return list(dict.fromkeys(found))


def check_voice(speech: str, services: Mapping[str, SpeechService], source: str, key: str) -> None:
    """Raises ConfigError."""
    if speech != EMBEDDED and speech not in services:
        there = ", ".join([EMBEDDED, *services])
        raise ConfigError(source, f"there is no speech {speech!r}; these are: {there}", key=key)
    if speech == EMBEDDED and not find_spec("espeakng_loader"):
        problem = "is said by the embedded voice, which is not installed: pip install 'voice-agent-gateway[local]'"
        raise ConfigError(source, f"{problem}, or name a row of speech", key=key)


def _check_file(path: Path, source: str, key: str) -> None:
    try:
        read_sound(path)
    except OSError as error:
        problem = f"{path} cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError(source, problem, key=key) from error
    except ValueError as error:
        raise ConfigError(source, str(error), key=key) from error
