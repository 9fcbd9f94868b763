"""Where a call is while no agent has it: in a menu, at a mailbox, on its way to a telephone or to an agent.

    go --menu--> says, waits --key--> go further
         |          \\--nothing, something else, again and again--> otherwise
         |--agent--> CONNECTING, the agent's session is opened now and not before
         |--voicemail--> the mailbox
         |--sip:, tel:--> rung while the caller hears it ring, or a transfer where the call is answered
         \\--hangup--> the end

Who cannot be taken goes `otherwise`, once: that of the menu they were in last, or of the route.
"""

from __future__ import annotations

import enum
from typing import Any, Literal

from gateway import events
from gateway.bridge.call.actions import ConnectAgent, Overhear
from gateway.bridge.call.announcer import Announcer
from gateway.bridge.call.forward import Forward
from gateway.bridge.call.part import CallPort, Part, TransferRequest
from gateway.bridge.call.voicemail import Voicemail
from gateway.bridge.places import Menu
from gateway.call_record import CallState
from gateway.destinations import Destination
from gateway.outcomes import Outcome

MOST_PLACES = 100
"""That one call may go to: whoever goes round in menus for ever is no caller."""

SPEECH_MS = 200
"""Of a voice, before it counts as a choice: a cough is shorter."""

MOST_KEYS = 40
"""That are kept while a prompt has to be heard."""

Why = Literal["route", "key", "speech", "no_input", "wrong_keys", "failed", "transfer"]


class Stage(enum.Enum):
    AWAY = "away"  # somebody else has the call
    MENU = "menu"
    CONNECTING = "connecting"
    LEAVING = "leaving"  # for a telephone, or a mailbox


class Attendant(Part):
    """One call's. Timers: rung (it has rung for as long as its trunk wants), key (nothing was pressed), more (nor was
    another key)."""

    name = "attendant"

    def __init__(self, call: CallPort, announcer: Announcer, voicemail: Voicemail) -> None:
        super().__init__(call)
        self._announcer, self._voicemail = announcer, voicemail
        self.stage = Stage.AWAY
        self.forward: Forward | None = None
        self.otherwise: Destination | None = None
        self._waits: tuple[Destination, Why] | None = None  # for the call to be answered
        self._menu: Menu | None = None
        self._tries = self._count = 0
        self._digits = self._ahead = ""
        self._turn = 0  # of what is said: what was stopped has no say any more

    def snapshot(self) -> dict[str, Any]:
        return {
            "stage": self.stage.value,
            "menu": self._menu and self._menu.name,
            "tries": self._tries,
            "digits": self._digits,
            "ahead": self._ahead,
            "otherwise": self.otherwise and str(self.otherwise),
            "count": self._count,
            "waits": self._waits and [str(self._waits[0]), self._waits[1]],
        }

    @property
    def active(self) -> bool:
        """No agent has the call."""
        return self.stage is not Stage.AWAY

    @property
    def listens(self) -> bool:
        """Keys are for the menu, or the mailbox."""
        return self.stage is Stage.MENU or self._voicemail.active

    # how it begins

    def begin(self, to: Destination, otherwise: Destination | None, now: float) -> None:
        """A call that came in, and rings."""
        self.otherwise = otherwise
        self.stage = Stage.LEAVING
        self._waits = (to, "route")
        goal = self.call.resolve(to, now)
        leg, early = self.call.leg, self._early(goal)
        if not early:
            leg.ring()
        if early or goal.telephone or goal.kind in ("agent", "hangup"):
            self._ready(now)
        elif leg.rings_seconds:
            self.wake("rung", now + leg.rings_seconds)
        else:
            self._answer(now)

    def _early(self, to: Destination) -> bool:
        """It is said before the call is answered: the menu wants it, and the trunk lets it."""
        menu = self.call.places.menus.get(to.name) if to.kind == "menu" else None
        return menu is not None and menu.answer == "early" and self.call.leg.speak_early()

    def _answer(self, now: float) -> None:
        self.call.leg.answer()
        self.call.connected(now)

    def confirmed(self, now: float) -> None:
        """The ACK came: what is said now is heard."""
        self._ready(now)

    def _ready(self, now: float) -> None:
        waits, self._waits = self._waits, None
        if waits:
            self.go(*waits, now)

    def take_over(self, to: Destination, now: float) -> None:
        """From the agent."""
        self.call.release_agent(now)
        self.otherwise = None
        self.go(to, "transfer", now)

    def agent_begins(self, now: float) -> None:
        self.stage, self._menu = Stage.AWAY, None

    def leaves(self, now: float) -> None:
        """For a telephone: what is said and waited for here is over."""
        self._stop_timers()
        self._turn += 1
        self._voicemail.leave(now)
        self.stage, self._menu = Stage.LEAVING, None

    # where to

    def go(self, to: Destination, why: Why, now: float) -> None:
        call = self.call
        self.leaves(now)
        goal = call.resolve(to, now)
        if call.state is CallState.RINGING and (
            goal.kind == "voicemail" or (goal.kind == "menu" and not call.leg.early)
        ):
            self._waits = (to, why)
            self._answer(now)
            return
        self._count += 1
        call.stats.path.append(str(goal))
        call.emit(events.Routed(str(goal), why, str(to) if goal != to else None), now)
        if self._count > MOST_PLACES:
            call.hang_up(Outcome.NO_INPUT, now, problem=f"the caller has been to {MOST_PLACES} places")
            return
        match goal.kind:
            case "menu" if menu := call.places.menus.get(goal.name):
                self._enter(menu, now)
            case "voicemail" if box := call.places.mailboxes.get(goal.name):
                self._voicemail.begin(box, now)
            case "agent":
                self.stage = Stage.CONNECTING
                call.leg.listen_for_speech(None)
                call.act(ConnectAgent(goal.name, answers=why == "speech"))
            case "hangup":
                self._leave(why, now)
            case _ if goal.telephone:
                self._telephone(goal, now)
            case _:
                self.failed(f"there is no {goal}", Outcome.NO_ROUTE, now)

    def _leave(self, why: Why, now: float) -> None:
        outcome = Outcome.NO_INPUT if why == "no_input" else Outcome.MENU_HUNG_UP
        self.call.hang_up(outcome, now)

    def _telephone(self, goal: Destination, now: float) -> None:
        if self.call.state is CallState.RINGING:
            self.forward = Forward(self.call, goal, self)
            self.forward.begin(now)
        else:
            self.call.begin_transfer(TransferRequest(str(goal), goal.name, trunk=goal.trunk), now)

    def failed(self, problem: str, outcome: Outcome, now: float, status: int = 0) -> None:
        """It could not be taken where it went."""
        self.forward = None
        to, self.otherwise = self.otherwise, None
        if to:
            self.call.emit(events.RouteFailed(problem, str(to)), now)
            self.go(to, "failed", now)
        else:
            self.call.hang_up(outcome, now, problem=problem, status=status)

    # a menu

    def _enter(self, menu: Menu, now: float) -> None:
        self.stage, self._menu, self.otherwise = Stage.MENU, menu, menu.otherwise
        self._tries, self._digits = 0, ""
        self.call.leg.listen_for_speech(SPEECH_MS if menu.speech else None)
        self.call.act(Overhear(menu.speech is not None))
        self._offer(now)

    def _offer(self, now: float) -> None:
        """Say it, and wait for what is pressed; what was pressed ahead counts as soon as it may."""
        assert self._menu is not None
        self._tries += 1
        self._digits = ""
        self._say(self._menu, now)
        self._use_ahead(now)

    def _say(self, menu: Menu, now: float) -> None:
        self._turn += 1
        turn = self._turn

        def then(later: float, heard: bool) -> None:
            if turn == self._turn and self._menu is menu:
                self._said(later)

        self._announcer.say(menu.says, now, then)

    def _said(self, now: float) -> None:
        assert self._menu is not None
        self.wake("key", now + self._menu.wait_seconds)
        self._use_ahead(now)

    def _use_ahead(self, now: float) -> None:
        ahead, self._ahead = self._ahead, ""
        for place, digit in enumerate(ahead):
            if self.stage is not Stage.MENU:  # the rest is for nobody
                return
            if self._announcer.must_be_heard:
                self._ahead += ahead[place:]
                return
            self.press(digit, now, again=True)

    def press(self, digit: str, now: float, again: bool = False) -> None:
        """A key, while `listens`; `again`: it was told already."""
        if not again:
            self.call.emit(events.Dtmf(digit=digit), now)
        if self._voicemail.active:
            self._voicemail.press(digit, now)
            return
        menu = self._menu
        assert menu is not None
        if self._announcer.must_be_heard:
            self._ahead = (self._ahead + digit)[:MOST_KEYS]
            return
        self._stop_timers()
        self._turn += 1
        self._announcer.hush(now)
        self._digits += digit
        self._decide(menu, now)

    def _decide(self, menu: Menu, now: float) -> None:
        digits = self._digits
        longer = any(key.startswith(digits) and key != digits for key in menu.keys)
        if digits in menu.keys and not longer:
            self._choose(menu, digits, now)
        elif longer:
            self.wake("more", now + menu.digit_seconds)
        elif digits.endswith("#") and digits[:-1] in menu.keys:  # who ends a number so need not wait
            self._choose(menu, digits[:-1], now)
        else:
            self._wrong(menu, now)

    def expire(self, timer: str, now: float) -> None:
        if timer == "rung":
            if self.call.state is CallState.RINGING:
                self._answer(now)
            return
        if (menu := self._menu) is None:
            return
        if timer == "more" and self._digits in menu.keys:
            self._choose(menu, self._digits, now)
        elif timer == "more":
            self._wrong(menu, now)
        else:
            self._again(menu, "no_input", now)

    def _choose(self, menu: Menu, keys: str, now: float) -> None:
        self.call.emit(events.MenuChosen(menu.name, keys), now)
        self._announcer.tell(f"[DTMF] {keys}", "user")
        self.go(menu.keys[keys], "key", now)

    def _wrong(self, menu: Menu, now: float) -> None:
        self.call.emit(events.MenuWrong(menu.name, self._digits), now)
        self._again(menu, "wrong_keys", now)

    def _again(self, menu: Menu, why: Why, now: float) -> None:
        if self._tries >= menu.tries:
            self.otherwise = None
            self.go(menu.otherwise, why, now)
            return
        if why == "wrong_keys" and menu.wrong:
            self._announcer.say(menu.wrong, now)
        self._offer(now)

    def spoke(self, now: float) -> None:
        """The caller speaks instead of pressing a key."""
        menu = self._menu
        if self.stage is Stage.MENU and menu and menu.speech and not self._announcer.must_be_heard:
            self._announcer.hush(now)
            self.go(menu.speech, "speech", now)

    def held(self, on: bool, now: float) -> None:
        """The caller's telephone holds us: nothing is heard, and nothing is waited for."""
        if self._voicemail.active:
            self._voicemail.held(on, now)
        elif self.stage is Stage.MENU and self._menu:
            self._stop_timers()
            self._turn += 1
            self._announcer.hush(now, all_of_it=True)
            if not on:
                self._tries -= 1
                self._offer(now)

    def _stop_timers(self) -> None:
        self.cancel("key")
        self.cancel("more")

    def ended(self, now: float) -> None:
        if self.forward:
            self.forward.ended(now)
