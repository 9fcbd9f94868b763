"""The Realtime client: a conversation that outlives its sessions. This is the package's public interface."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from gateway.errors import ProviderError, ProviderRefused, ProviderUnreachable
from gateway.realtime.conversation import (
    Broken,
    Event,
    Lost,
    ProviderFault,
    Renewed,
    ResponseDone,
    Restored,
    Reverted,
    Severity,
    Unreached,
)
from gateway.realtime.health import Health, wait
from gateway.realtime.history import History
from gateway.realtime.openai.dialects import OPENAI, SessionConfig
from gateway.realtime.openai.link import Choice, Link, MakeResampler
from gateway.realtime.openai.session import Heard, Session
from gateway.realtime.pool import Pool

RECENT_MS, TURN_MS = 600, 10_000
"""Of the caller's audio that is kept for the next session: the latest, or a turn whose words are not known yet."""

WATCH_SECONDS = 1.0
STALLED_SECONDS = 5.0
"""That a provider may leave unread what it is sent."""

PROBE_SECONDS, SILENT_SECONDS = 20.0, 35.0
"""Without any event, after which a server is asked for a sign of life, and after which it is given up."""

ANSWER_SECONDS = 8.0
"""From the end of the caller's turn, after which a server that should answer by itself is asked to."""

EARLY_SECONDS = 10.0
"""A session that ends sooner is a failure of its provider, although it had said that it was ready."""

FAILED_TWICE = 2
"""Such failures of one provider, after which the call asks another one first."""

MAX_EARLY, MAX_SESSIONS = 8, 100
"""Of one call: early ends one after the other, and sessions in all, after which no other one is sought."""

REFUSED = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
    }
)
"""Errors that a new session with the same provider would only meet again."""


RENEW_AGAIN_SECONDS = 5.0
"""After a session for other settings was not to be had, until it is asked for again."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `agent`, which is for the owner of the client to know, wants of each provider, in the order of asking."""

    choices: tuple[Choice, ...]
    agent: object = None


class Client:
    """One conversation, with the first of `choices` that can be reached. Every verb is a plain call.

    Where a session ends in mid-call another is sought for `restore_seconds`, and told what was said; the caller's audio
    of that time is kept for it. `Lost` is the end.
    """

    def __init__(
        self,
        choices: Sequence[Choice],
        on_event: Callable[[Event], None],
        health: Health | None = None,
        restore_seconds: float = 10.0,
        pool: Pool | None = None,
        resampler: MakeResampler | None = None,
        agent: object = None,
    ) -> None:
        self._pool, self._resampler = pool, resampler
        self._early: Counter[str] = Counter()  # sessions that ended early, in a row, by provider
        self._broken_at = 0.0  # when the first of them did
        self._failures = 0  # responses in a row of which nothing came
        self._sessions = 0  # that were begun in all
        self._loop = asyncio.get_running_loop()
        self._settings = [Settings(tuple(choices), agent)]  # from those that stand to those that are wanted
        self._on_event, self._restore_seconds = on_event, restore_seconds
        self._health = health or Health(self._loop.time)
        self.history = History()
        self._link: Link | None = None
        self.session: Session | None = None
        self._recent: deque[bytes] = deque()
        self._recent_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._watch_timer: asyncio.TimerHandle | None = None
        self._stalled_since: float | None = None
        self.taps: list[Callable[[dict[str, Any]], None]] = []  # who sees what the server says, but for audio
        self._closed = False
        self._dropped = self._garbage = 0  # of links that have ended
        self.log = structlog.get_logger("gateway.realtime")

    @property
    def choices(self) -> tuple[Choice, ...]:
        """That are wanted now."""
        return self._settings[-1].choices

    @property
    def provider(self) -> str:
        """Whose session it is, or was last."""
        return self._link.provider.name if self._link else self.choices[0].provider.name

    @property
    def prices(self) -> Mapping[str, float]:
        """Of the provider, for a million tokens."""
        return (self._link.provider if self._link else self.choices[0].provider).prices

    @property
    def dropped(self) -> int:
        """Appends that a stalled provider did not take."""
        return self._dropped + (self._link.dropped if self._link else 0)

    @property
    def garbage(self) -> int:
        """Frames that are not JSON objects."""
        return self._garbage + (self._link.garbage if self._link else 0)

    async def open(self, seconds: float = 0.0) -> None:
        """The first session, sought for so long. Raises ProviderError where none of the choices gives one."""
        link, _ = await self._seek(seconds)
        if self._closed:
            link.close()
            return
        self._link, self.session = link, link.session
        self._watch()
        if not any(choice.config is link.config for choice in self.choices):  # they changed while it was opened
            self._apply()

    async def _seek(self, seconds: float) -> tuple[Link, int]:
        """Again and again until there is one, and at which try there was. Raises ProviderError.

        Who is only busy is asked again for `connect_seconds` at least, and not before it wants to be.
        """
        began, attempt = self._loop.time(), 0
        while True:
            attempt += 1
            try:
                return await self._reach(), attempt
            except ProviderError as error:
                pause, until = wait(attempt, random.random()), began + seconds
                if isinstance(error, ProviderUnreachable) and error.busy:
                    patience = max(choice.provider.connect_seconds for choice in self.choices)
                    until = max(until, began + patience)
                    pause = max(pause, error.retry_after or 0.0)
                if isinstance(error, ProviderRefused) or self._loop.time() + pause >= until:
                    raise
            await asyncio.sleep(pause)

    async def _reach(self) -> Link:
        """A session that is ready, asked of all once.

        Raises ProviderError, which is a refusal only where all refuse.
        """
        errors: list[ProviderError] = []
        names = self._health.order(list(dict.fromkeys(choice.provider.name for choice in self.choices)))
        ranked = sorted(self.choices, key=lambda choice: (self._failed_here(choice), names.index(choice.provider.name)))
        for choice in ranked:
            provider = choice.provider
            try:
                link = await self._begin(
                    choice, provider.connect_seconds if choice is ranked[-1] else provider.failover_seconds
                )
            except ProviderError as error:
                if not isinstance(error, ProviderRefused):
                    self._health.failed(provider.name)
                elif error.account:
                    self._health.failed(provider.name, refused="; ".join(filter(None, (error.problem, error.fix))))
                errors.append(error)
                self._on_event(Unreached(provider.name, str(error)))
            else:
                self._health.succeeded(provider.name)
                return link
        found = next((error for error in errors if not isinstance(error, ProviderRefused)), errors[-1])
        if isinstance(found, ProviderUnreachable):
            found.busy = any(isinstance(error, ProviderUnreachable) and error.busy for error in errors)
        raise found

    def _failed_here(self, choice: Choice) -> bool:
        """In this call, so often that another is asked first."""
        return self._early[choice.provider.name] >= FAILED_TWICE

    async def _begin(self, choice: Choice, seconds: float) -> Link:
        """A session with one provider; where a connection that has waited turns out dead, by a new one."""
        for pool in (self._pool, None):
            link = Link(choice, self.history, self._receive, self._ended, pool, self._resampler)
            link.tap = self._tapped
            link.log = self.log
            try:
                await link.open(seconds)
                break
            except ProviderUnreachable:
                if not link.was_warm:
                    raise
        return link

    # verbs

    def append(self, audio: bytes) -> None:
        """Caller audio of the session's format."""
        session = self.session
        if session is None:
            return  # the greeting comes first
        self._recent.append(audio)
        self._recent_bytes += len(audio)
        most = (TURN_MS if self._link is None or session.hearing else RECENT_MS) * session.appended_per_ms
        while self._recent_bytes > most:
            self._recent_bytes -= len(self._recent.popleft())
        if self._link:
            self._link.append(audio)

    @property
    def unfinished(self) -> bool:
        return self.session is not None and self.session.unfinished

    @property
    def busy(self) -> bool:
        return self.session is not None and self.session.busy

    def create_response(self, instructions: str = "") -> None:
        self._do(lambda session: session.create_response(instructions))

    def say(self, text: str) -> None:
        self.create_response(f"Say exactly: {text}")

    def add_text(self, text: str, role: str = "user") -> None:
        self._do(lambda session: session.add_text(text, role))

    def interrupt(self, heard: list[Heard], by_speech: bool = True) -> list[Heard]:
        return self._do(lambda session: session.interrupt(heard, by_speech)) or []

    def heard_of(self, item_id: str) -> str:
        """The words of an item of the assistant's, as far as the caller heard them."""
        return self.session.heard_of(item_id) if self.session else ""

    def tool_output(self, call_id: str, output: str, respond: bool = True) -> None:
        self._do(lambda session: session.tool_output(call_id, output, respond))

    def _do(self, verb: Callable[[Session], T]) -> T | None:
        """Between two sessions the old one takes it down: what it owes, the next one begins with."""
        if self.session is None:
            return None
        found = verb(self.session)
        if self._link:
            self._link.flush()
        else:
            self.session.outbox.clear()
        return found

    @property
    def begun(self) -> bool:
        """There has been a session."""
        return self.session is not None

    def steer(self, event: dict[str, Any]) -> None:
        """A client event that somebody else wants sent."""
        self._do(lambda session: session.steer(event))

    def described(self) -> dict[str, Any]:
        """The session as OpenAI's protocol describes it to a client."""
        session = self.session
        row = OPENAI.session(self._link.config if self._link else self.choices[0].config)
        return {**row, "object": "realtime.session", "id": session.session_id if session else ""}

    def _tapped(self, event: dict[str, Any]) -> None:
        for tap in self.taps:
            tap(event)

    def update(self, choices: Sequence[Choice], agent: object = None) -> None:
        """Other settings from now on, those of `agent`: by `session.update` where the provider can, else in another
        session. Where they are refused a `Reverted` tells whose stand.
        """
        if self._link:
            before = self._settings_of(self._link.session.updates.standing)
            del self._settings[: before or 0]  # they are history
        self._settings.append(Settings(tuple(choices), agent))
        self._apply()

    def _apply(self) -> None:
        link = self._link
        if link is None:
            return  # what is being sought, or was sought last, learns of it with the next session
        wanted = next((one.config for one in self.choices if one.provider is link.provider), None)
        if wanted is link.config or (wanted and link.update(wanted)):
            return
        if self._task_done:
            self._task = self._loop.create_task(self._renew())

    def _settings_of(self, config: SessionConfig) -> int | None:
        """Where in the list the settings are that `config` belongs to."""
        found = [at for at, one in enumerate(self._settings) if any(each.config is config for each in one.choices)]
        return found[-1] if found else None

    def _revert(self) -> None:
        """To the settings that the session has been left with, where the newest were refused."""
        at = self._settings_of(self._link.config) if self._link else None
        if at is not None and at < len(self._settings) - 1:
            del self._settings[at + 1 :]
            self._on_event(Reverted(self._settings[at].agent))

    def close(self) -> None:
        self._closed = True
        if self._watch_timer:
            self._watch_timer.cancel()
        if self._task:
            self._task.cancel()
        self._drop_link()

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link:
            self._dropped += link.dropped
            self._garbage += link.garbage
            link.close()

    # what ends, and what comes after it

    def _receive(self, event: Event) -> None:
        if isinstance(event, ProviderFault) and event.severity is Severity.FATAL and event.code in REFUSED:
            self._health.failed(self.provider, refused=event.message or event.code)
        self._on_event(event)
        if isinstance(event, ProviderFault) and event.about == "session.update":
            self._revert()
        if isinstance(event, ResponseDone):
            self._look_after(event)

    def _look_after(self, event: ResponseDone) -> None:
        """A response that came to nothing is asked for once more, and then of another session; the caller waits."""
        if event.spoke or event.status not in ("failed", "incomplete"):
            if event.spoke and event.status == "completed":
                self._failures = 0
            return
        self._failures += 1
        link, hopeless = self._link, event.code in REFUSED
        if link is None or self._closed:
            return
        if self._failures == 1 and not hopeless and link.session.retry():
            link.flush()
            return
        if link.session.busy and not hopeless:
            return  # something else is being said by now
        self._failures = 0
        self._note_failure(link.provider.name, FAILED_TWICE)
        self._health.failed(link.provider.name, refused=(event.problem or event.code) if hopeless else "")
        link.session.owe()
        link.give_up(f"the response failed: {event.problem or event.status}")

    def _note_failure(self, provider: str, times: int = 1) -> None:
        if not self._early.total():
            self._broken_at = self._loop.time()
        self._early[provider] += times

    def _ended(self, link: Link, why: str) -> None:
        if link is not self._link or self._closed:
            return
        if link.mute:
            self._note_failure(link.provider.name, FAILED_TWICE)
            self._health.failed(link.provider.name)
        elif self._loop.time() - link.began_at < EARLY_SECONDS:
            self._note_failure(link.provider.name)
            self._health.failed(link.provider.name)
        else:
            self._early.clear()
        self._drop_link()
        if self._task:
            self._task.cancel()  # a renewal comes too late
        self._on_event(Broken(link.provider.name, why))
        if not self._closed:  # by whoever heard it
            self._task = self._loop.create_task(self._restore(why))

    async def _restore(self, why: str) -> None:
        """Sessions that end as soon as they begin are sought less and less often, and not for ever."""
        began, early = self._loop.time(), self._early.total()
        try:
            self._sessions += 1
            spent = early and began - self._broken_at > self._restore_seconds
            if spent or early > MAX_EARLY or self._sessions > MAX_SESSIONS:
                raise ProviderUnreachable(
                    self.provider, "", f"{early or self._sessions} sessions have ended one after the other"
                )
            if early > 1:
                await asyncio.sleep(wait(early, random.random()))
            while not self._health.may_begin():
                await asyncio.sleep(wait(4, random.random()))
            link, attempts = await self._seek(self._restore_seconds)
        except ProviderError as error:
            self._on_event(Lost(f"{why}; then {error}"))
            return
        self._go_on_in(link)
        self._on_event(Restored(link.provider.name, self._loop.time() - began, attempts))

    def _go_on_in(self, link: Link) -> None:
        """The turn that the caller has begun is heard again, in full; or what was due is done."""
        old, self._link, self.session = self.session, link, link.session
        assert old is not None
        link.session.hearing = old.hearing
        for audio in self._recent:
            link.append(audio)
        if not old.hearing and (owed := old.owed) is not None:
            link.session.respond(owed)
        link.flush()
        if not any(choice.config is link.config for choice in self.choices):  # they changed while it was opened
            self._loop.call_soon(self._apply)

    def _watch(self) -> None:
        """Once a second: whether the provider reads, answers, and how long the session may still last."""
        self._watch_timer = self._loop.call_later(WATCH_SECONDS, self._watch)
        link, now = self._link, self._loop.time()
        if link is None:
            return
        if not link.stalled:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since > STALLED_SECONDS:
            link.give_up(f"the provider has not read what it is sent for {STALLED_SECONDS:g} s")
            return
        quiet = now - link.heard_at
        if quiet > SILENT_SECONDS:
            link.mute = True
            link.give_up(f"the provider has said nothing for {quiet:.0f} s, not even when it was asked")
            return
        if quiet > PROBE_SECONDS:
            link.probe()
        self._mind_the_answer(link, now)
        if link.session.waiting and quiet > link.provider.response_seconds:
            link.mute = True
            link.give_up(f"the provider has said nothing for {quiet:.0f} s of a response")
            return
        age, longest = now - link.opened_at, link.provider.longest_seconds
        idle = not link.session.busy and not link.session.hearing
        if 0 < longest < age and self._task_done and (idle or age > longest + link.provider.spare_seconds):
            self._task = self._loop.create_task(self._renew())

    def _mind_the_answer(self, link: Link, now: float) -> None:
        """The caller's turn is over, and the server has not begun to answer: it is asked to, once."""
        session = link.session
        if not session.answer_due or session.busy:
            session.answer_due_since = None
        elif session.answer_due_since is None:
            session.answer_due_since = now
        elif now - session.answer_due_since > ANSWER_SECONDS:
            session.create_response()
            link.flush()

    @property
    def _task_done(self) -> bool:
        return self._task is None or self._task.done()

    async def _renew(self) -> None:
        """Another session before this one is ended from afar, told everything, and then taken in its place."""
        old = self._link
        try:
            link = await self._reach()
        except ProviderError as error:
            if old:
                old.opened_at += min(30.0, old.provider.spare_seconds / 4)  # later, while there is time
            if isinstance(error, ProviderRefused):
                self._revert()
            else:
                self._loop.call_later(RENEW_AGAIN_SECONDS, self._apply)
            return
        if self._link is not old or old is None:
            link.close()
            return
        self._recent.clear()  # heard already
        self._recent_bytes = 0
        self._drop_link()
        self._go_on_in(link)
        self._on_event(Renewed(link.provider.name))
