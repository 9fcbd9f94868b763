"""Runs the functions of agents, on the loop or in threads, each with its time limit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

import structlog

from gateway.agents import AnyTool, CallContext
from gateway.bridge.tools.built_in import output_of
from gateway.errors import ToolError

MAX_THREADS = 64
"""Functions that are not async and run at the same time, in the whole node."""

log = structlog.get_logger("gateway.bridge")


_slots = threading.Semaphore(MAX_THREADS)


async def run(tool: AnyTool, call_id: str, arguments: str, context: CallContext, seconds: float) -> str:
    """Run one function, off the media path. Raises ToolError, after a fault of the function itself logged once."""
    bound = tool.bind(arguments, context, call_id)
    try:
        async with asyncio.timeout(seconds):
            where = getattr(context, "call_id", "")
            value = await (_Stepped(bound(), (tool.name, where)) if tool.is_async else _in_thread(tool, bound, where))
        return output_of(value)
    except TimeoutError as error:
        raise ToolError(tool.name, f"took longer than {seconds:g} s") from error
    except ToolError:
        raise
    except Exception as error:  # boundary: the function is somebody else's code
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
