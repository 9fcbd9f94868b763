"""An agent as its file says it: what it is told, how it sounds, what it may do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from gateway import destinations

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")

VARIABLES = ("caller", "caller_name", "caller_host", "called", "called_host", "call_id", "agent")
"""What may stand in double braces, besides `header.NAME` for a header of the INVITE, `identity.NAME` for a claim of its
STIR/SHAKEN token, and `var.NAME` for a variable that the order to make the call came with."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _check_variables(text: str) -> str:
    for whole in _VARIABLE.findall(text):
        name, _, form = (part.strip() for part in whole.partition("|"))
        if form not in ("", "digits"):
            raise ValueError(f"{{{{{whole}}}}}: there is no form {form!r}; digits is one: each of them by itself")
        if name not in VARIABLES and not re.fullmatch(r"(header|var|identity)\.[A-Za-z0-9_-]+", name):
            known = ", ".join(VARIABLES)
            raise ValueError(
                f"there is no variable {{{{{name}}}}}; these are: {known}, header.NAME, identity.NAME, var.NAME"
            )
    return text


def variables_in(text: str) -> list[str]:
    """Their names, as they stand in double braces."""
    return _VARIABLE.findall(text)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with the variables of a call; a header that the call does not have becomes nothing. `{{caller|digits}}` is
    said digit by digit: `4 9 8 9`."""

    def value(found: re.Match[str]) -> str:
        name, _, form = (part.strip() for part in found[1].partition("|"))
        text = variables.get(name.lower(), "")
        return " ".join(re.findall(r"[0-9A-Za-z]", text)) if form == "digits" else text

    return _VARIABLE.sub(value, text)


def _check_goal(text: str) -> str:
    if text:
        destinations.read(_VARIABLE.sub("x", text))
    return text


Template = Annotated[str, BeforeValidator(lambda value: _check_variables(value) if isinstance(value, str) else value)]
Goal = Annotated[Template, AfterValidator(_check_goal)]
"""A destination, once its variables have their values."""

Words = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]


class TurnDetection(_Strict):
    """How the provider finds out whose turn it is; fields that are left out are the provider's to choose."""

    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: float | None = Field(default=None, ge=0, le=1)
    prefix_padding_ms: int | None = Field(default=None, ge=0, le=5000)
    silence_duration_ms: int | None = Field(default=None, ge=0, le=10000)
    idle_timeout_ms: int | None = Field(default=None, ge=5000, le=30000)
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool = True
    interrupt_response: bool = True


class BargeInRules(_Strict):
    """What becomes of the agent's words when the caller speaks; `barge_in: resume` is short for its `mode`.

    stop: they end. resume: they pause, and go on where nothing was said (a cough), which a transcription has to tell.
    While the agent is heard, the provider's speech_started has to last `debounce_ms` before it counts. With `local_ms`
    the gateway listens too, and lets the caller in once a voice has stood out of the line's noise for so long.
    """

    mode: Literal["stop", "resume"] = "stop"
    debounce_ms: int = Field(default=0, ge=0, le=2000)
    local_ms: int = Field(default=0, ge=0, le=2000)


class Failover(_Strict):
    """A provider that is asked when those before it do not answer; what is left out is as for the first."""

    provider: str
    model: str | None = None
    voice: str | None = None
    transcription: dict[str, Any] | None = None


FailoverRow = Annotated[
    Failover, BeforeValidator(lambda value: {"provider": value} if isinstance(value, str) else value)
]


class Spoken(_Strict):
    """What is said. Not `verbatim` the model is asked to say it, in its own voice, and may do it in its own way.

    Verbatim it is sound of ours, made before it is needed, and the agent is told what the caller heard. `prompt` is one
    of the gateway's file, and so verbatim. `speech` is who turns text into sound: a row of `speech` of that file, or
    `local`, the embedded voice; `voice` is one of theirs. Unless `interruptible` the caller hears all of it. Text alone
    is short for its `say`.
    """

    say: Template = ""
    prompt: str = ""
    verbatim: bool = False
    interruptible: bool = True
    speech: str = "local"
    voice: str = ""

    def __bool__(self) -> bool:
        return bool(self.say or self.prompt)

    @model_validator(mode="before")
    @classmethod
    def _text_alone(cls, value: Any) -> Any:
        return {"say": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Spoken:
        if self.say and self.prompt:
            raise ValueError("either say or prompt")
        return self

    @property
    def exact(self) -> bool:
        """It is sound of ours."""
        return bool(self.prompt) or (self.verbatim and bool(self.say))


class Exactly(Spoken):
    """What is never left to a model."""

    verbatim: Literal[True] = True
    interruptible: bool = False


class Prompted(Spoken):
    """What a menu or a mailbox says: sound of ours, which a key stops."""

    verbatim: Literal[True] = True


class OnProviderFailure(_Strict):
    """What becomes of callers when no provider is left.

    They wait for `queue_seconds` (before the answer they hear it ring, later music), hear `play`, a WAV beside the
    agent's file, or `says`, word for word, and go on to `forward`, any destination, or are hung up on. With nothing of
    it a call is refused with 503.
    """

    says: Exactly = Exactly()
    queue_seconds: float = Field(default=0.0, ge=0, le=300)
    play: str = ""
    forward: Goal = ""


class ConsentRules(_Strict):
    """The announcement asks; nothing is recorded without a yes, by one of `yes_keys` or, where the provider transcribes
    what callers say, by a word of the `language`, or of `yes`.

    Who says neither within `seconds` is asked again, `tries` times in all, and has then not agreed. `without` is what
    becomes of a call that may not be recorded; `refused` is said before it is hung up. `version` names the text in
    records; left out, its content does.
    """

    yes_keys: str = Field(default="1", pattern=r"^[0-9*#]*$")
    no_keys: str = Field(default="2", pattern=r"^[0-9*#]*$")
    language: Literal["en", "de", "fr", "es", "it", "nl"] = "en"
    yes: Words = ()
    no: Words = ()
    seconds: float = Field(default=8.0, gt=0, le=60)
    tries: int = Field(default=2, ge=1, le=5)
    without: Literal["go_on", "hang_up"] = "go_on"
    refused: Exactly = Exactly()
    version: str = Field(default="", max_length=64)

    @model_validator(mode="after")
    def _one_of_both(self) -> ConsentRules:
        if both := set(self.yes_keys) & set(self.no_keys):
            raise ValueError(f"{min(both)} cannot be yes and no")
        return self


class RecordingRules(_Strict):
    """`start: answer` records the whole call, `start: asked` what a tool or the API asks for.

    The announcement is said first, word for word, and cannot be interrupted; with `consent` it is a question.
    """

    start: Literal["asked", "answer"] = "asked"
    announcement: Exactly = Exactly()
    consent: ConsentRules | None = None

    @model_validator(mode="after")
    def _something_asks(self) -> RecordingRules:
        if self.consent and not self.announcement:
            raise ValueError("consent needs an announcement that asks for it")
        return self


class WebhookRow(_Strict):
    """A tool that is a POST to `url`; `secret_env` names the variable with the key that signs it, in base64."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    description: str
    parameters: dict[str, Any] = {}
    secret_env: str = ""
    headers: dict[str, str] = {}
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    retries: int = Field(default=2, ge=0, le=5)


class ApplicationRow(_Strict):
    """Asked before the call is answered: a program that accepts or rejects it, within `seconds`."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    secret_env: str = ""
    seconds: float = Field(default=20.0, gt=0, le=120)


class SlowTools(_Strict):
    """What the caller hears when a function takes longer than `after_seconds`: `says`, or `music` until it is done."""

    after_seconds: float = Field(default=2.0, gt=0, le=60)
    says: Template = ""
    music: bool = False


class NoInput(_Strict):
    """Where the caller says nothing for `seconds` (0: never asked), `says` so often; then `goodbye`, and the end."""

    seconds: float = Field(default=0.0, ge=0, le=600)
    says: Template = "Are you still there?"
    times: int = Field(default=2, ge=0, le=10)
    goodbye: Template = "Goodbye."


class RuleRow(_Strict):
    """After so many seconds of a call, or when the caller's words match `hears`: another agent, or other settings."""

    after_seconds: float | None = Field(default=None, ge=0)
    hears: str = ""
    agent: str = ""
    settings: dict[str, Any] = {}

    @model_validator(mode="after")
    def _when_and_what(self) -> RuleRow:
        if (self.after_seconds is None) == (not self.hears):
            raise ValueError("either after_seconds or hears")
        if not self.agent and not self.settings:
            raise ValueError("needs an agent, settings, or both")
        try:
            re.compile(self.hears)
        except re.error as error:
            raise ValueError(f"hears is not a pattern: {error}") from error
        return self


class LookupRules(_Strict):
    """Before the answer: `tool` (a function of the Python file beside this one, a webhook, or one of an MCP server) is
    asked what it knows of the call. It may set variables, another agent, and the greeting, within `seconds`; else the
    call goes on without.
    """

    tool: str
    seconds: float = Field(default=2.0, gt=0, le=20)
    arguments: dict[str, Template] = {}


class Variant(_Strict):
    """Of `weight` shares of the callers, always the same ones, the agent is different in what is said here."""

    weight: float = Field(default=1.0, ge=0)
    model: str | None = None
    voice: str | None = None
    tts_model: str | None = None
    temperature: float | None = None
    instructions: Template | None = None
    greeting: Spoken | None = None


class LocalRule(_Strict):
    """For the embedded server: when one of `hears` is understood, say `says` and call the tool `calls`."""

    hears: Words
    says: str = ""
    calls: str = ""
    arguments: dict[str, str] = {}
    then: str = "{output}"
    failed: str = "I am sorry, that did not work. {error}"


class ChatRow(_Strict):
    """Who finds the answers instead of rules: `/chat/completions` under `url`. `key_env` names the key's variable."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    model: str
    key_env: str = ""


class AfterRules(_Strict):
    """After the call: what a chat model makes of its transcript. `summary` says what to sum up, `fields` are properties
    of a JSON schema to be filled in, `score` says what 0 to 10 are for."""

    chat: ChatRow
    summary: str = "In one to three sentences: what the caller wanted, and what was agreed."
    fields: dict[str, dict[str, Any]] = {}
    score: str = ""
    seconds: float = Field(default=60.0, gt=0, le=600)


class LocalScript(_Strict):
    """What the embedded server understands and answers where it stands in for a model."""

    slots: dict[str, tuple[str, ...]] = {}
    rules: tuple[LocalRule, ...] = ()
    otherwise: str = "I am sorry, I did not understand."
    idle: str = "Are you still there?"
    chat: ChatRow | None = None


class AgentDefinition(_Strict):
    """One YAML file. `tools` names built-in tools and functions of the Python file beside it.

    With `audio: g711` the provider gets and gives what is spoken on the telephone, without resampling: less to do, and
    less to hear. An attended transfer calls the target first, and tells whoever picks up what the agent has summed up.
    """

    provider: str = "local"
    failover: tuple[FailoverRow, ...] = ()
    on_provider_failure: OnProviderFailure = OnProviderFailure()
    model: str = ""
    instructions: Template = ""
    greeting: Spoken = Spoken()
    voice: str = ""
    audio: Literal["pcm", "g711"] = "pcm"
    speed: float | None = Field(default=None, ge=0.25, le=1.5)
    turn_detection: TurnDetection = TurnDetection()
    barge_in: Annotated[
        BargeInRules, BeforeValidator(lambda value: {"mode": value} if isinstance(value, str) else value)
    ] = BargeInRules()
    recording: RecordingRules = RecordingRules()
    transcription: dict[str, Any] | None = None
    noise_reduction: Literal["", "near_field", "far_field"] = ""
    modalities: tuple[Literal["audio", "text"], ...] = ("audio",)
    tts_model: str = ""
    temperature: float | None = Field(default=None, ge=0, le=2)
    reasoning: dict[str, Any] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    truncation: str | dict[str, Any] | None = None
    tool_choice: str | dict[str, Any] = "auto"
    provider_data: dict[str, Any] | None = None
    variants: dict[str, Variant] = {}
    max_calls: int = Field(default=0, ge=0)
    application: ApplicationRow | None = None
    lookup: Annotated[
        LookupRules | None, BeforeValidator(lambda value: {"tool": value} if isinstance(value, str) else value)
    ] = None
    after: AfterRules | None = None
    keys: Literal["text", "event"] = "text"
    listen_early: bool = False
    answer_within_seconds: float | None = Field(default=None, ge=0, le=60)
    no_input: NoInput = NoInput()
    max_seconds: float = Field(default=0.0, ge=0)
    max_seconds_says: Template = ""
    tools: tuple[str, ...] = ()
    webhooks: dict[str, WebhookRow] = {}
    mcp: tuple[str, ...] = ()
    slow_tools: SlowTools = SlowTools()
    dispositions: tuple[str, ...] = ()
    update_agent: tuple[str, ...] = ()
    rules: tuple[RuleRow, ...] = ()
    tool_timeout_seconds: float = Field(default=10.0, gt=0, le=300)
    transfer: Literal["blind", "attended"] = "blind"
    transfer_targets: dict[str, Goal] = {}
    local: LocalScript = LocalScript()

    def voice_of(self, spoken: Spoken) -> str:
        """Whose sound it is: the agent's own, where the embedded voice speaks for an agent of the embedded server."""
        return spoken.voice or (self.voice if spoken.speech == self.provider == "local" else "")

    @model_validator(mode="after")
    def _a_cough_needs_a_transcript(self) -> AgentDefinition:
        if self.barge_in.mode == "resume" and self.transcription is None:
            raise ValueError("barge_in: resume needs transcription, which tells a word from a cough")
        return self

    @model_validator(mode="after")
    def _consent_can_be_given(self) -> AgentDefinition:
        consent = self.recording.consent
        if consent and not consent.yes_keys and self.transcription is None:
            raise ValueError("recording.consent without yes_keys needs transcription, which tells what was said")
        return self

    @field_validator("max_output_tokens")
    @classmethod
    def _some_tokens(cls, tokens: int | str | None) -> int | str | None:
        if isinstance(tokens, int) and not 1 <= tokens <= 4096:
            raise ValueError("1 to 4096, or inf")
        return tokens

    @field_validator("variants")
    @classmethod
    def _somebody_gets_one(cls, variants: dict[str, Variant]) -> dict[str, Variant]:
        if variants and not sum(one.weight for one in variants.values()):
            raise ValueError("no variant has a weight")
        return variants

    @field_validator("local")
    @classmethod
    def _slots_exist(cls, local: LocalScript) -> LocalScript:
        for rule in local.rules:
            for phrase in rule.hears:
                for slot in re.findall(r"\{(\w+)\}", phrase):
                    if slot not in local.slots:
                        raise ValueError(f"{phrase!r} names the slot {slot!r}, which slots does not have")
        return local
