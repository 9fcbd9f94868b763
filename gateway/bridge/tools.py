"""Tools: the built-in ones as the model sees them, and the runner of an agent's own functions."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from gateway.agents import Agent, AnyTool, CallContext
from gateway.errors import ToolError

MAX_THREADS = 64
"""Functions that are not async and run at the same time, in the whole node."""

log = structlog.get_logger("gateway.bridge")

KEYS = re.compile(r"[0-9*#A-Da-d]{1,40}")


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool of the agent's and hand its answer to the call's `tools.done`."""

    tool: AnyTool
    call_id: str
    arguments: str


HANG_UP = {
    "type": "function",
    "name": "hang_up",
    "description": "End the call. Say goodbye first; the call ends when the caller has heard it.",
    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
}


SENDKEYS = {
    "type": "function",
    "name": "send_digits",
    "description": "Press keys of the telephone, as for a menu that answers the call.",
    "parameters": {
        "type": "object",
        "properties": {"digits": {"type": "string", "description": "The keys: 0-9, * and #."}},
        "required": ["digits"],
        "additionalProperties": False,
    },
}


RECORDING = {
    "type": "function",
    "name": "recording",
    "description": "Record the call, or not. Pause while card numbers or other secrets are said.",
    "parameters": {
        "type": "object",
        "properties": {"action": {"type": "string", "enum": ["start", "pause", "resume", "stop"]}},
        "required": ["action"],
        "additionalProperties": False,
    },
}


HOLD = {
    "type": "function",
    "name": "hold",
    "description": "Put the caller on hold, where they hear music and are not listened to, or take them back.",
    "parameters": {
        "type": "object",
        "properties": {"on": {"type": "boolean", "description": "Whether they are to be on hold."}},
        "required": ["on"],
        "additionalProperties": False,
    },
}


COLLECTKEYS = {
    "type": "function",
    "name": "collect_digits",
    "description": "Wait for keys that the caller presses, such as a number. Ask for them first. Ends with #, when "
    "there are enough, or when none comes for a while.",
    "parameters": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "What they are, such as account or card."},
            "max_digits": {"type": "integer", "minimum": 1, "maximum": 40},
            "secret": {"type": "boolean", "description": "You are told only how many there are and the last four."},
        },
        "required": ["name", "max_digits"],
        "additionalProperties": False,
    },
}


def set_disposition(dispositions: list[str]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": "set_disposition",
        "description": "Note what came of the call.",
        "parameters": {
            "type": "object",
            "properties": {"disposition": {"type": "string", "enum": dispositions}, "note": {"type": "string"}},
            "required": ["disposition"],
            "additionalProperties": False,
        },
    }


def update_agent(agents: list[str]) -> dict[str, Any]:
    return {
        "type": "function",
        "name": "update_agent",
        "description": "Let a colleague go on with the conversation, who knows all that was said.",
        "parameters": {
            "type": "object",
            "properties": {"agent": {"type": "string", "enum": agents}},
            "required": ["agent"],
            "additionalProperties": False,
        },
    }


def transfer_call(targets: list[str], attended: bool) -> dict[str, Any]:
    target = {"type": "string", "enum": targets, "description": "Who is to talk with the caller."}
    summary = {"type": "string", "description": "What whoever picks up is told before they are put through."}
    return {
        "type": "function",
        "name": "transfer_call",
        "description": "Put the caller through to somebody else. Say so first; the transfer follows your words.",
        "parameters": {
            "type": "object",
            "properties": {"target": target, **({"summary": summary} if attended else {})},
            "required": ["target", *(["summary"] if attended else [])],
            "additionalProperties": False,
        },
    }


def definitions(agent: Agent) -> list[dict[str, Any]]:
    """The tools of an agent, in the order of its file, as `session.tools` wants them."""
    definition = agent.definition
    transfer = transfer_call(list(definition.transfer_targets), definition.transfer == "attended")
    fixed = {str(one["name"]): one for one in (HANG_UP, SENDKEYS, RECORDING, HOLD, COLLECTKEYS)}
    of_agent = transfer, set_disposition(list(definition.dispositions)), update_agent(list(definition.update_agent))
    built_in = fixed | {str(one["name"]): one for one in of_agent}
    return [built_in.get(name) or agent.tools[name].definition for name in agent.definition.tools]


def arguments_of(tool: str, text: str) -> dict[str, Any]:
    """Arguments as the model wrote them. Raises ToolError."""
    try:
        arguments = orjson.loads(text or "{}")
    except orjson.JSONDecodeError as error:
        raise ToolError(tool, f"the arguments are not valid JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise ToolError(tool, "the arguments are not a JSON object")
    return arguments


def digits_of(tool: str, text: str) -> str:
    """The keys that `send_digits` is to press. Raises ToolError."""
    digits = arguments_of(tool, text).get("digits")
    if not isinstance(digits, str) or not KEYS.fullmatch(digits):
        raise ToolError(tool, "digits has to be a text of 1 to 40 keys: 0-9 * # A-D")
    return digits


def output_of(value: Any) -> str:
    """What the model gets: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def failure(problem: str) -> str:
    return output_of({"error": problem})


_slots = threading.Semaphore(MAX_THREADS)


async def run(asked: RunTool, context: CallContext, seconds: float) -> str:
    """Run one function, off the media path. Raises ToolError, after a fault of the function itself logged once."""
    tool = asked.tool
    bound = tool.bind(asked.arguments, context, asked.call_id)
    try:
        async with asyncio.timeout(seconds):
            call_id = getattr(context, "call_id", "")
            value = await (
                _Stepped(bound(), (tool.name, call_id)) if tool.is_async else _in_thread(tool, bound, call_id)
            )
        return output_of(value)
    except TimeoutError as error:
        raise ToolError(tool.name, f"took longer than {seconds:g} s") from error
    except ToolError:
        raise
    except Exception as error:  # the door: the function is somebody else's code
        log.exception("tool.failed", tool=tool.name)
        raise ToolError(tool.name, f"{type(error).__name__}: {error}") from error


_on_loop: list[tuple[str, str]] = []  # the tool whose coroutine has the loop now, with its call
_in_threads: dict[int, tuple[str, str]] = {}  # those that run in threads, by the thread


def running_tools() -> tuple[str, str] | None:
    """The tool that may hold up the loop, and its call: one on it, else the latest in a thread. From any thread."""
    try:
        return _on_loop[-1]
    except IndexError:
        return next(reversed(list(_in_threads.values())), None)


class _Stepped:
    """A coroutine that is known by its tool while it has the loop."""

    def __init__(self, coroutine: Any, what: tuple[str, str]) -> None:
        self._coroutine, self._what = coroutine, what

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, step, given = self._coroutine.__await__(), "send", None
        while True:
            _on_loop.append(self._what)
            try:
                waits_for = getattr(steps, step)(given) if step == "throw" or given is not None else next(steps)
            except StopIteration as end:
                return end.value
            finally:
                _on_loop.pop()
            try:
                step, given = "send", (yield waits_for)
            except BaseException as error:  # a cancellation, say: the coroutine's to deal with
                step, given = "throw", error


async def _in_thread(tool: AnyTool, function: Callable[[], Any], call_id: str) -> Any:
    """In a daemon thread: one that never returns holds up neither the other calls nor the end of the process."""
    if not _slots.acquire(blocking=False):
        raise ToolError(tool.name, f"{MAX_THREADS} functions are running already")
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(value: Any, error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error:
            done.set_exception(error)
        else:
            done.set_result(value)

    def work() -> None:
        value, fault, me = None, None, threading.get_ident()
        _in_threads[me] = tool.name, call_id
        try:
            value = function()
        except Exception as error:
            fault = error
        finally:
            _in_threads.pop(me, None)
            _slots.release()
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, value, fault)

    threading.Thread(target=work, name=f"tool {tool.name}", daemon=True).start()
    return await done
