"""A call into a stereo WAV: the caller left, the agent right, each at the moment it was on the wire.

Off the media path: bytes are collected, and once a second a thread decodes and writes them. The file is whole at any
moment. What we sent is the clock; the caller's audio is laid against it, with room for the network's jitter.
"""

from __future__ import annotations

import asyncio
import io
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway import events
from gateway.codecs import Resampler, Sound

MAX_WAITING = 30
"""Pieces that may wait for a disk that does not answer; more fail the recording."""

SLACK_MS = 200
"""That the caller's side may be behind before its gap is silence, or ahead before the oldest goes."""


class Recorder:
    """The file has the rate of `sound`, whatever is used later; `both` sides, or the caller alone. `threads` has one,
    for all calls.

    `on_failure` hears once why nothing is written any more; the call goes on.
    """

    def __init__(
        self,
        path: Path,
        sound: Sound,
        threads: ThreadPoolExecutor,
        on_failure: Callable[[str], None],
        both: bool = True,
    ) -> None:
        self.path, self._file_hz, self._on_failure = path, sound.hz, on_failure
        self._channels = 2 if both else 1
        self._loop = asyncio.get_running_loop()
        self._threads = threads
        self._file: io.FileIO | None = None
        self._frames = 0  # that the file holds
        self._caller, self._agent = bytearray(), bytearray()
        self._listen_as(sound)
        self.paused = False
        self.seconds = 0.0  # that were handed over to be written
        self._failed = False
        self._room = threading.Semaphore(MAX_WAITING)
        self._do(self._open)

    def _listen_as(self, sound: Sound) -> None:
        self._sound, self._second = sound, sound.hz * sound.size  # bytes
        self._slack = self._second * SLACK_MS // 1000
        self._to_file = [_linear(sound, self._file_hz) for _ in range(2)]

    def caller(self, sound: bytes) -> None:
        """What was received, or what stands for a loss."""
        self._caller += sound if not self.paused else self._silence(len(sound))

    def agent(self, sound: bytes) -> None:
        """What was sent."""
        self._agent += sound if not self.paused else self._silence(len(sound))
        if len(self._agent) >= self._second + self._slack:
            self._hand_over(self._second)

    def use(self, sound: Sound) -> None:
        """What comes from now on lies in bytes in this way."""
        if sound is not self._sound:
            self._hand_over(len(self._agent))
            self._caller.clear()
            self._listen_as(sound)

    def close(self, drop: bool = False) -> None:
        """Write what is left; or `drop` the file."""
        self._hand_over(len(self._agent))
        self._do(self._drop if drop else self._close)

    def _silence(self, count: int) -> bytes:
        return self._sound.quiet(count // self._sound.size)

    def _hand_over(self, count: int) -> None:
        """`count` bytes of both sides."""
        ahead = len(self._caller) - len(self._agent)
        if ahead > self._slack:  # its clock is faster, or what was late came all at once
            del self._caller[:ahead]
        self._caller += self._silence(max(0, count - len(self._caller)))
        sides = bytes(self._caller[:count]), bytes(self._agent[:count])
        del self._caller[:count], self._agent[:count]
        self.seconds += count / self._second
        to_file = self._to_file
        self._do(lambda: self._write(*sides, to_file))

    def _do(self, work: Callable[[], None]) -> None:
        if self._room.acquire(blocking=False):
            self._threads.submit(self._guarded, work)
        else:
            self._fail(f"the disk has not answered for {MAX_WAITING} s")

    def _fail(self, problem: str) -> None:
        if self._failed:
            return
        self._failed = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_failure, f"{self.path}: {problem}")

    # in the thread

    def _guarded(self, work: Callable[[], None]) -> None:
        self._room.release()
        try:
            if not self._failed:
                work()
        except OSError as error:
            self._fail(str(error.strerror or error))
        if self._failed and self._file:
            self._file.close()

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("wb", buffering=0)
        self._file.write(_head(0, self._file_hz, self._channels))

    def _write(self, caller: bytes, agent: bytes, to_file: list[Callable[[bytes], NDArray[np.int16]]]) -> None:
        assert self._file is not None
        sides = [convert(sound) for convert, sound in zip(to_file, (caller, agent), strict=True)]
        self._file.write(np.stack(sides[: self._channels], axis=1).astype("<i2").tobytes())
        self._frames += len(sides[0])
        self._file.seek(0)
        self._file.write(_head(self._frames, self._file_hz, self._channels))
        self._file.seek(0, io.SEEK_END)

    def _close(self) -> None:
        if self._file:
            self._file.close()

    def _drop(self) -> None:
        self._close()
        self.path.unlink(missing_ok=True)


def _linear(sound: Sound, hz: int) -> Callable[[bytes], NDArray[np.int16]]:
    """One side's way to PCM16 at `hz`."""
    if sound.hz == hz:
        return sound.linear
    resampler = Resampler(sound.hz, hz)
    return lambda piece: resampler.push(sound.linear(piece))


def _head(frames: int, hz: int, channels: int) -> bytes:
    """RIFF and WAVE for so many frames of 16 bits (the format's own names).

    The standard library's writer is not used: it writes the head when it is collected, and raises where a disk is full.
    """
    frame = 2 * channels
    size = frame * frames
    layout = struct.pack("<HHIIHH", 1, channels, hz, frame * hz, frame, 16)  # PCM
    return struct.pack("<4sI4s4sI16s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, layout, b"data", size)


class Recordable(Protocol):
    """A leg, as far as its recorder needs it."""

    @property
    def sound(self) -> Sound: ...
    def record(self, recorder: Recorder | None) -> None: ...


class RecordedCall(Protocol):
    """Who is recorded, and hears what becomes of it."""

    @property
    def call_id(self) -> str: ...
    def recorded_leg(self) -> Recordable: ...
    def recording_moved(self, event: events.EventData) -> None: ...
    def recording_failed(self, problem: str) -> None: ...
    def message_failed(self, problem: str) -> None: ...


class CallRecorder:
    """A call's recordings, one file after the other, in `folder`."""

    def __init__(self, call: RecordedCall, folder: Path | None, threads: ThreadPoolExecutor) -> None:
        self._call, self._folder, self._threads = call, folder, threads
        self._recorder: Recorder | None = None
        self._count = 0

    def do(self, what: str) -> None:
        """start, pause, resume, stop; what became of it is an event of the call."""
        recorder, leg = self._recorder, self._call.recorded_leg()
        if what == "start":
            if self._folder is None:
                self._call.recording_failed("the gateway has no folder for it: set recordings")
                return
            self._count += 1
            name = self._call.call_id + (f"-{self._count}" if self._count > 1 else "")
            path, failed = self._folder / f"{name}.wav", self._call.recording_failed
            self._recorder = recorder = Recorder(path, leg.sound, self._threads, failed)
            leg.record(recorder)
            self._call.recording_moved(events.RecordingStarted(recorder.path.name))
        elif recorder and what in ("pause", "resume"):
            recorder.paused = what == "pause"
            told = events.RecordingPaused if recorder.paused else events.RecordingResumed
            self._call.recording_moved(told(recorder.path.name))
        elif recorder:
            self._recorder = None
            leg.record(None)
            recorder.close()
            self._call.recording_moved(events.RecordingStopped(recorder.path.name, round(recorder.seconds, 2)))


MOST_MESSAGES = 10
VOICEMAIL = "voicemail"
"""The folder for messages, within that for recordings."""


class MessageRecorder:
    """What callers say to mailboxes: the caller alone, each message a file in the folder VOICEMAIL of `folder`."""

    def __init__(self, call: RecordedCall, folder: Path | None, threads: ThreadPoolExecutor) -> None:
        self._call, self._folder, self._threads = call, folder, threads
        self._recorder: Recorder | None = None
        self._count = 0

    def do(self, what: str, box: str, why: str) -> None:
        """start; keep, for a mailbox, with why it ended; or drop."""
        recorder, leg = self._recorder, self._call.recorded_leg()
        if what == "start":
            if self._folder is None:
                self._call.message_failed("the gateway has no folder for it: set recordings")
                return
            self._count += 1
            if self._count > MOST_MESSAGES:
                self._call.message_failed(f"a call leaves {MOST_MESSAGES} messages at most")
                return
            name = self._call.call_id + (f"-{self._count}" if self._count > 1 else "")
            path = self._folder / VOICEMAIL / f"{name}.wav"
            self._recorder = Recorder(path, leg.sound, self._threads, self._call.message_failed, both=False)
            leg.record(self._recorder)
        elif recorder:
            self._recorder = None
            leg.record(None)
            recorder.close(drop=what == "drop")
            if what == "keep":
                name, seconds = recorder.path.name, round(recorder.seconds, 2)
                self._call.recording_moved(events.VoicemailLeft(box, recorder.path.stem, name, seconds, why))
