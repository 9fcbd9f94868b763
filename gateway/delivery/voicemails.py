"""What becomes of a message that a caller left: it is kept, written down, told to webhooks, and mailed.

Done by the node that took it, which has the sound. What a stop or a lost server kept from being done is done later:
each message says what is still to do. Beside the sound lies what is known of it, for a Redis that has forgotten.
"""

from __future__ import annotations

import asyncio
import re
import time
import wave
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog

from gateway import events
from gateway.delivery.mail import MailSettings, mail_of, send
from gateway.delivery.transcription import TranscriptionService, transcribe
from gateway.delivery.webhooks import WebhookSettings, entries_for_voicemail
from gateway.errors import StoreUnavailable, plain
from gateway.events import CallEvent
from gateway.local import dictate_file
from gateway.outcomes import Outcome
from gateway.store import Store

log = structlog.get_logger("gateway.voicemail")

AGAIN_SECONDS = 60.0
"""Between two looks for what is still to do."""

MOST = 1000
"""Of the latest messages that are looked at then."""

LEAST_SECONDS = 1.0
"""Of a message that was cut off: less says nothing."""

_BEGUN = events.VoicemailBegun.type

LOCAL = "local"
"""Who writes down what was said, where that is the embedded recogniser."""


@dataclass(frozen=True, slots=True)
class VoicemailSettings:
    """`transcribe` and `mail_to` are by mailbox; `hours`, after which mail that nobody takes is given up."""

    folder: Path | None = None
    transcribe: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, TranscriptionService] = field(default_factory=dict)
    mail_to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mail: MailSettings | None = None
    hours: float = 24.0


class VoicemailDesk:
    """One node's; `node` is its name, without what a run of it adds. `written` waits until what was recorded so far is
    on the disk."""

    def __init__(
        self,
        settings: VoicemailSettings,
        webhooks: tuple[WebhookSettings, ...],
        store: Store,
        node: str,
        written: Callable[[], Awaitable[Any]],
    ) -> None:
        self.settings, self._webhooks, self._store, self._node = settings, webhooks, store, node
        self._written = written
        self._fresh: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._http: httpx.AsyncClient | None = None
        self.received = self.mailed = self.mail_failed = self.transcripts_failed = 0

    def start(self) -> None:
        self._stopped = False
        if self.settings.folder:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._stopped = True
        while self._task and not self._task.done():  # the client of Redis may swallow a cancellation
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.5)
        with suppress(StoreUnavailable):
            while not self._fresh.empty():  # those of the last calls: what is to do with them is done after a start
                await self._store.voicemails.put(self._fresh.get_nowait())
        if self._http:
            await self._http.aclose()

    def path_of(self, message: Mapping[str, Any]) -> Path | None:
        """Where the sound lies, if it is on this node's disk."""
        folder = self.settings.folder
        path = folder / str(message["file"]) if folder else None
        return path if path and path.is_file() else None

    def drop(self, file: str) -> bool:
        """Delete the sound of a message; whether it was here."""
        path = self.path_of({"file": file}) if re.fullmatch(r"call_[0-9a-f]{16}(-\d+)?\.wav", file) else None
        if path:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
        return path is not None

    def tell(self, event: CallEvent, record: dict[str, Any]) -> None:
        if event.type == events.VoicemailLeft.type:
            self.received += 1
            self._fresh.put_nowait(self._message(event, record))

    def _message(self, event: CallEvent, record: dict[str, Any]) -> dict[str, Any]:
        box, settings = event.data["box"], self.settings
        return {
            "id": event.data["message"],
            "box": box,
            "call_id": event.call_id,
            "node": self._node,
            "caller": record["caller"],
            "caller_name": record["caller_name"],
            "called": record["called"],
            "at": event.at,
            "seconds": event.data["seconds"],
            "file": event.data["file"],
            "transcript": None,
            "heard": False,
            "to_do": [
                *(["transcribe"] if settings.transcribe.get(box) else []),
                "tell",
                *(["mail"] if settings.mail and settings.mail_to.get(box) else []),
            ],
        }

    async def _run(self) -> None:
        looked, restored = 0.0, False
        while not self._stopped:
            now = asyncio.get_running_loop().time()
            try:
                restored = restored or await self._restore()
                if now >= looked + AGAIN_SECONDS:
                    looked = now
                    await self._look()
                async with asyncio.timeout(AGAIN_SECONDS):
                    message = await self._fresh.get()
                await self._take_in(message)
            except TimeoutError:
                pass
            except Exception:  # boundary: what is wrong with one message is not wrong with the next
                log.exception("voicemail.bug")

    async def _take_in(self, message: dict[str, Any]) -> None:
        await self._written()
        try:
            await self._put(message)
        except asyncio.CancelledError:
            self._fresh.put_nowait(message)  # for `close`, which tries once more
            raise
        await self._work(message)

    async def _put(self, message: dict[str, Any]) -> None:
        """As soon as Redis is there: the sound is on the disk, and the rest waits here."""
        await self._note(message)
        while True:
            try:
                await self._store.voicemails.put(message)
                return
            except StoreUnavailable:
                await asyncio.sleep(1.0)

    async def _note(self, message: Mapping[str, Any]) -> None:
        """Write down beside the sound what is known of it."""
        if path := self.path_of(message):
            try:
                await asyncio.to_thread(path.with_suffix(".json").write_bytes, orjson.dumps(message))
            except OSError as error:
                log.warning("voicemail.not_noted", message=message["id"], problem=plain(error))

    async def _restore(self) -> bool:
        """Messages that lie here and that Redis has forgotten, as an embedded one does; whether it could be asked."""
        found = await asyncio.to_thread(self._noted)
        try:
            for message in found:
                if not await self._store.voicemails.knows(message["id"]):
                    await self._store.voicemails.put(message)
                    log.info("voicemail.restored", message=message["id"])
        except StoreUnavailable:
            log.warning("voicemail.not_restored", messages=len(found))
            return False
        return True

    def _cut_off(self) -> list[tuple[Path, float, float]]:
        """Sound of which nothing is known, for the node died while it was recorded: its time, and its seconds."""
        found = []
        for path in sorted(self.settings.folder.glob("call_*.wav")) if self.settings.folder else ():
            if not path.with_suffix(".json").exists():
                with suppress(OSError, EOFError, wave.Error), wave.open(str(path)) as file:
                    found.append((path, path.stat().st_mtime, file.getnframes() / file.getframerate()))
        return found

    async def _found(self, path: Path, at: float, seconds: float) -> dict[str, Any] | None:
        """The message that such sound is: of a call that was this node's, and that its death has ended; else None."""
        call_id = "_".join(path.stem.split("-")[0].split("_")[:2])
        record = await self._store.calls.get(call_id)
        if record is None or record.get("outcome") != Outcome.NODE_DIED:  # else whoever took it has it in hand
            return None
        boxes = [one["data"]["box"] for one in record["events"] if one["type"] == _BEGUN]
        if record["node"].rpartition("-")[0] != self._node or not boxes or seconds < LEAST_SECONDS:
            return None
        if await self._store.voicemails.knows(path.stem):
            return None
        data = {"box": boxes[-1], "message": path.stem, "file": path.name, "seconds": round(seconds, 2)}
        return self._message(CallEvent(call_id, at, events.VoicemailLeft.type, data), record)

    def _noted(self) -> list[dict[str, Any]]:
        found = []
        for path in sorted(self.settings.folder.glob("call_*.json")) if self.settings.folder else ():
            with suppress(OSError, ValueError, TypeError, KeyError):  # half written: the sound is there all the same
                message = orjson.loads(path.read_bytes())
                if self.path_of(message):
                    found.append({**message, "node": self._node, "id": str(message["id"]), "at": float(message["at"])})
        return found

    async def _look(self) -> None:
        """What of this node's messages is still to do, and what its end has cut off."""
        with suppress(StoreUnavailable):
            for path, at, seconds in await asyncio.to_thread(self._cut_off):
                if cut := await self._found(path, at, seconds):
                    await self._put(cut)
            for _, message in await self._store.voicemails.latest(time.time() + 60, MOST):
                if message and message.get("node") == self._node and message.get("to_do"):
                    await self._work(message)

    async def _work(self, message: dict[str, Any]) -> None:
        """Step by step; what cannot be done now is done with a later look."""
        steps = {"transcribe": self._transcribe, "tell": self._tell, "mail": self._mail}
        with suppress(StoreUnavailable):
            for name in list(message["to_do"]):
                if not await steps[name](message):
                    return
                message["to_do"].remove(name)
                known = await self._store.voicemails.get(message["id"])
                if known is None:  # somebody has removed it meanwhile
                    return
                message["heard"] = known["heard"]
                await self._store.voicemails.put(message)
                await self._note(message)

    async def _transcribe(self, message: dict[str, Any]) -> bool:
        path, who = self.path_of(message), self.settings.transcribe.get(message["box"], "")
        if path is None:
            return True
        try:
            if who == LOCAL:
                message["transcript"] = await dictate_file(path)
            elif service := self.settings.services.get(who):
                if self._http is None:
                    self._http = httpx.AsyncClient()
                message["transcript"] = await transcribe(service, path, self._http)
        except (ValueError, OSError) as error:
            self.transcripts_failed += 1
            log.warning("voicemail.no_transcript", message=message["id"], problem=str(error))
        return True

    async def _tell(self, message: dict[str, Any]) -> bool:
        await self._store.outbox.add(entries_for_voicemail(self._webhooks, shown(message), time.time()))
        log.info("voicemail.received", message=message["id"], box=message["box"], seconds=message["seconds"])
        return True

    async def _mail(self, message: dict[str, Any]) -> bool:
        settings, to = self.settings.mail, self.settings.mail_to.get(message["box"])
        if settings is None or not to:
            return True
        try:
            mail = await asyncio.to_thread(mail_of, message, to, settings.sender, self.path_of(message))
            await send(mail, settings)
        except (ValueError, OSError) as error:
            late = bool(time.time() - message["at"] > self.settings.hours * 3600)
            self.mail_failed += late
            log.warning("voicemail.not_mailed", message=message["id"], problem=str(error), given_up=late)
            return late
        self.mailed += 1
        return True


def shown(message: Mapping[str, Any]) -> dict[str, Any]:
    """As others see it."""
    return {name: value for name, value in message.items() if name != "to_do"}
