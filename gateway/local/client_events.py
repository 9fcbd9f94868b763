"""What clients may send, as models: the events of OpenAI's reference (GA), and what the dialects of others add to it.

`check` looks at one event. What is wrong is an `EventError` with the code and the `param` of the reference; nothing of
the event is applied then.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.local.checks import EventError


class _Strict(BaseModel):
    """Unknown keys are refused, and values are of the type that is named, not turned into it."""

    model_config = ConfigDict(extra="forbid", strict=True)


Modality = Literal["audio", "text"]


class AudioFormat(_Strict):
    type: str
    rate: int | None = None


class TurnDetection(_Strict):
    type: Literal["server_vad", "semantic_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=0, le=10000)] | None = None
    idle_timeout_ms: Annotated[int, Field(ge=5000, le=30000)] | None = None
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class NoiseReduction(_Strict):
    type: Literal["near_field", "far_field"]


class Transcription(BaseModel):
    """Providers have settings of their own here."""

    model_config = ConfigDict(strict=True)
    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class AudioInput(_Strict):
    format: AudioFormat | str | None = None
    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class Voice(_Strict):
    id: str


class AudioOutput(_Strict):
    format: AudioFormat | str | None = None
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None
    voice: str | Voice | None = None
    model: str | None = None  # of speech, with Inworld


class Audio(_Strict):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class FunctionTool(_Strict):
    type: Literal["function"] = "function"
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(_Strict):
    type: Literal["function", "mcp"]
    name: str | None = None
    server_label: str | None = None


ToolChoice = Literal["none", "auto", "required"] | NamedTool
Tokens = Annotated[int, Field(ge=1, le=100_000)] | Literal["inf"]


class _Speaks(_Strict):
    """What sessions and responses share."""

    audio: Audio | None = None
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    output_modalities: Annotated[list[Modality], Field(min_length=1, max_length=2)] | None = None
    parallel_tool_calls: bool | None = None
    prompt: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    tool_choice: ToolChoice | None = None
    tools: list[FunctionTool] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    # as the beta, and providers after it, have them
    modalities: Annotated[list[Modality], Field(min_length=1, max_length=2)] | None = None
    voice: str | Voice | None = None
    output_audio_format: str | None = None
    max_response_output_tokens: Tokens | None = None


class Session(_Speaks):
    """`type` may be left out, as clients of other providers do."""

    type: Literal["realtime", "transcription"] | None = None
    model: str | None = None
    include: list[str] | None = None
    tracing: Literal["auto"] | dict[str, Any] | None = None
    truncation: Literal["auto", "disabled"] | dict[str, Any] | None = None
    providerData: dict[str, Any] | None = None
    turn_detection: TurnDetection | None = None
    input_audio_format: str | None = None
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    # what the session was told to be, and says again
    id: str | None = None
    object: str | None = None
    expires_at: int | None = None


class Content(_Strict):
    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio", "text", "audio"]
    text: str | None = None
    audio: str | None = None
    transcript: str | None = None
    image_url: str | None = None
    detail: str | None = None


class _Item(_Strict):
    id: Annotated[str, Field(max_length=512)] | None = None
    object: str | None = None
    status: str | None = None


class MessageItem(_Item):
    type: Literal["message"]
    content: list[Content]
    role: Literal["user", "assistant", "system"]


class CallItem(_Item):
    type: Literal["function_call"]
    name: str
    call_id: str
    arguments: str = "{}"


class OutputItem(_Item):
    type: Literal["function_call_output"]
    call_id: str
    output: str


class Reference(_Item):
    type: Literal["item_reference"]
    id: str


NewItem = Annotated[MessageItem | CallItem | OutputItem, Field(discriminator="type")]
InputItem = Annotated[MessageItem | CallItem | OutputItem | Reference, Field(discriminator="type")]


class ResponseParams(_Speaks):
    conversation: Literal["auto", "none"] = "auto"
    input: list[InputItem] | None = None
    metadata: dict[str, str] | None = None


class _Event(_Strict):
    event_id: str | None = None


class SessionUpdate(_Event):
    type: Literal["session.update"]
    session: Session


class TranscriptionSessionUpdate(_Event):
    type: Literal["transcription_session.update"]
    session: Session


class Append(_Event):
    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(_Event):
    type: Literal["input_audio_buffer.commit"]


class Clear(_Event):
    type: Literal["input_audio_buffer.clear"]


class ClearOutput(_Event):
    type: Literal["output_audio_buffer.clear"]


class CreateItem(_Event):
    type: Literal["conversation.item.create"]
    item: NewItem
    previous_item_id: str | None = None


class RetrieveItem(_Event):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class DeleteItem(_Event):
    type: Literal["conversation.item.delete"]
    item_id: str


class TruncateItem(_Event):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int
    audio_end_ms: int


class CreateResponse(_Event):
    type: Literal["response.create"]
    response: ResponseParams | None = None


class CancelResponse(_Event):
    type: Literal["response.cancel"]
    response_id: str | None = None


Event = Annotated[
    SessionUpdate | TranscriptionSessionUpdate | Append | Commit | Clear | ClearOutput | CreateItem | RetrieveItem
    | DeleteItem | TruncateItem | CreateResponse | CancelResponse,
    Field(discriminator="type"),
]  # fmt: skip

_EVENT: TypeAdapter[Any] = TypeAdapter(Event)

KINDS = (
    "session.update", "transcription_session.update", "input_audio_buffer.append", "input_audio_buffer.commit",
    "input_audio_buffer.clear", "output_audio_buffer.clear", "conversation.item.create", "conversation.item.retrieve",
    "conversation.item.delete", "conversation.item.truncate", "response.create", "response.cancel",
)  # fmt: skip
_NO_FIELDS = frozenset(KINDS) | {
    "message",
    "function_call",
    "function_call_output",
    "item_reference",
    "str",
    "int",
    "float",
}
"""Steps of pydantic's that are members of a union."""

_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "literal_error": "invalid_value",
    "union_tag_invalid": "invalid_value",
    "union_tag_not_found": "missing_required_parameter",
    "greater_than_equal": "invalid_value",
    "less_than_equal": "invalid_value",
    "too_short": "invalid_value",
    "too_long": "invalid_value",
    "string_too_long": "string_above_max_length",
}
"""Of the reference, by the kind of pydantic's error; all others are `invalid_type`."""


def decode(text: str | bytes) -> dict[str, Any]:
    """One event as JSON. Raises EventError."""
    try:
        event = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise EventError("invalid_json", f"The event is not valid JSON: {error}.") from error
    if not isinstance(event, dict):
        raise EventError("invalid_type", "The event is not a JSON object.")
    return event


def check(event: dict[str, Any]) -> None:
    """Raises EventError, which names the field."""
    try:
        _EVENT.validate_python(event)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise _told(min(found, key=lambda one: (one["type"] != "extra_forbidden", -len(one["loc"])))) from None


def _told(error: Any) -> EventError:
    kind, where = str(error["type"]), _place(error["loc"])
    code = _CODES.get(kind, "invalid_type")
    if kind.startswith("union_tag"):
        where = f"{where}.type".lstrip(".")
    if where == "type":
        message = f"{error['msg']}. Supported values are: {', '.join(map(repr, KINDS))}."
    elif code == "missing_required_parameter":
        message = f"Missing required parameter: {where!r}."
    elif code == "unknown_parameter":
        message = f"Unknown parameter: {where!r}."
    else:
        message = f"Invalid {'type' if code == 'invalid_type' else 'value'} for {where!r}: {error['msg']}."
    return EventError(code, message, where or None)


def _place(steps: tuple[int | str, ...]) -> str:
    """`session.tools[0].name`; without the names of the models that were tried."""
    place = ""
    for step in steps:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step not in _NO_FIELDS and (step.islower() or step == "providerData") and not {"[", "-"} & set(step):
            place += f".{step}" if place else step
    return place
