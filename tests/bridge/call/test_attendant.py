"""Menus on a fake clock: keys, time, what is said, and where it leads."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.agents import Agent, AgentDefinition, Prompted
from gateway.bridge import Fork, Mailbox, Menu, Places, Router
from gateway.bridge.call.actions import ConnectAgent, DialSecondLeg, MessageCommand, ReleaseAgent
from gateway.bridge.call.call import Call
from gateway.call_record import CallState
from gateway.destinations import read
from gateway.errors import WrongState
from gateway.hours import Hours, spans_in
from gateway.outcomes import Outcome
from tests.bridge.call.test_call import AGENT, FACTS, Stage
from tests.bridge.fakes import FakeLeg, FakeSession


def menu(name="main", says="Press one.", keys=None, otherwise="hangup", **more):
    said = says if isinstance(says, Prompted) else Prompted(say=says)
    goals = {key: read(to) for key, to in (keys or {"1": "agent:eve", "2": "menu:sub"}).items()}
    return Menu(name, said, goals, read(otherwise), **more)


SUB = menu("sub", "Sub.", {"1": "tel:+4930", "12": "voicemail:box", "9": "menu:main"}, otherwise="agent:eve")
PLACES = Places({"main": menu(), "sub": SUB}, {"box": Mailbox("box", Prompted(say="Speak."))})


class Guest(Stage):
    """A call that came in, at a place; `acts` are actions that a runner carries out."""

    def __init__(
        self, to="menu:main", otherwise="", places=PLACES, resolve=lambda to, at: to, confirmed=True, **of_leg
    ):
        self.log, self.told, self.now = [], [], 10.0
        self.leg, self.finished, self.tools = FakeLeg(self.log), False, []
        self.makes_sound, self.sounds, self.wanted = True, {}, []
        for name, value in of_leg.items():
            setattr(self.leg, name, value)
        self.acts = []
        self.call = Call(FACTS, self.leg, self.now, 1000.0, places, resolve)
        self.do(self.call.attend, read(to), read(otherwise) if otherwise else None)
        if confirmed and self.call.talking:
            self.do(self.call.confirmed)

    def perform(self, action):
        if isinstance(action, ConnectAgent | ReleaseAgent | DialSecondLeg | MessageCommand):
            self.acts.append(action)
        super().perform(action)

    def press(self, *digits):
        for digit in digits:
            self.do(self.call.digit, digit)

    def connects(self, agent=AGENT):
        """The runner has made a client for the agent that was asked for, and it has a session."""
        self.session = FakeSession(self.log)
        self.session.begun = False
        self.do(self.call.agent_connects, agent, self.session, None, "")
        self.session.begun = True
        self.do(self.call.setup.agent_ready, "acme")

    @property
    def said(self):
        return [entry[1].decode() for entry in self.log if entry[0] == "announce"]

    @property
    def path(self):
        return self.call.stats.path

    @property
    def outcome(self):
        return self.call.stats.outcome


def test_it_is_answered_says_itself_and_a_key_opens_the_agent_and_not_before():
    guest = Guest()
    assert [entry[0] for entry in guest.log[:2]] == ["ring", "answer"]
    assert (guest.said, guest.acts, guest.call.record()["agent"]) == (["Press one."], [], "")
    guest.plays_out()
    guest.press("1")
    assert guest.acts == [ConnectAgent("eve")]
    assert guest.path == ["menu:main", "agent:eve"]
    guest.connects()
    told = [entry[1:] for entry in guest.log if entry[0] == "add_text"]
    assert told == [("Press one.", "assistant"), ("[DTMF] 1",)]
    assert [entry for entry in guest.log if entry[0] == "say"]  # it greets
    assert guest.call.record()["agent"] == "receptionist"
    assert [event.data for event in guest.told if event.type == "menu_chosen"] == [{"menu": "main", "keys": "1"}]
    guest.press("5")  # is the agent's now
    guest.run(3)
    assert ("add_text", "[DTMF] 5") in guest.log


def test_nothing_is_said_before_the_ack():
    guest = Guest(confirmed=False)
    assert guest.said == []
    guest.do(guest.call.confirmed)
    assert guest.said == ["Press one."]


def test_who_presses_nothing_hears_it_again_and_then_goes_on():
    guest = Guest()
    guest.plays_out()
    guest.run(4.9)
    assert guest.said == ["Press one."]
    guest.run(0.1)
    assert guest.said == ["Press one."] * 2
    guest.plays_out()
    guest.run(5)
    assert (guest.finished, guest.outcome) == (True, Outcome.NO_INPUT)
    assert guest.path == ["menu:main", "hangup"]


def test_a_wrong_key_is_told_and_counts_as_a_try():
    wrong = menu(wrong=Prompted(say="Not that."))
    guest = Guest(places=Places({"main": wrong}))
    guest.press("7")
    guest.plays_out()
    assert guest.said == ["Press one.", "Not that.", "Press one."]
    guest.press("8")
    assert guest.outcome is Outcome.MENU_HUNG_UP
    assert [event.data["keys"] for event in guest.told if event.type == "menu_wrong"] == ["7", "8"]


def test_a_key_stops_what_is_said_and_nothing_follows_it():
    guest = Guest()
    guest.press("2")  # in the middle of it
    assert guest.leg.queued == len(b"Sub.")
    assert guest.said == ["Press one.", "Sub."]
    guest.plays_out()
    guest.run(4)
    assert guest.said == ["Press one.", "Sub."]


def test_keys_that_were_pressed_ahead_lead_through_several_menus():
    guest = Guest()
    guest.press("2", "9", "2", "9", "1")
    assert guest.path == ["menu:main", "menu:sub", "menu:main", "menu:sub", "menu:main", "agent:eve"]
    assert guest.acts == [ConnectAgent("eve")]


def test_what_must_be_heard_keeps_the_keys_until_then():
    heard = Prompted(say="By law.", interruptible=False)
    places = Places({"main": menu(says=heard), "sub": menu("sub", heard, {"1": "agent:eve"})})
    guest = Guest(places=places)
    guest.press("2", "1", "7")
    assert (guest.said, guest.path) == (["By law."], ["menu:main"])
    guest.plays_out()
    assert guest.path == ["menu:main", "menu:sub"]
    guest.plays_out()
    assert guest.acts == [ConnectAgent("eve")]


def test_several_digits_wait_for_the_next_or_for_the_end():
    guest = Guest("menu:sub")
    guest.press("1")
    assert guest.acts == []
    guest.run(1.9)
    guest.press("2")
    assert guest.path == ["menu:sub", "voicemail:box"]
    guest = Guest("menu:sub")
    guest.press("1")
    guest.run(2.0)
    assert guest.path == ["menu:sub", "tel:+4930"]
    guest = Guest("menu:sub")
    guest.press("1", "#")
    assert guest.path == ["menu:sub", "tel:+4930"]
    guest = Guest("menu:sub")
    guest.press("1", "5")
    assert [event.data["keys"] for event in guest.told if event.type == "menu_wrong"] == ["15"]


def test_a_calendar_is_asked_when_the_caller_gets_there():
    asked = []

    def resolve(to, at):
        asked.append(at)
        return read("agent:night") if to.kind == "hours" else to

    places = Places({"main": menu(keys={"1": "hours:office"})})
    guest = Guest(places=places, resolve=resolve)
    guest.run(3)
    guest.press("1")
    assert guest.acts == [ConnectAgent("night")]
    routed = [event.data for event in guest.told if event.type == "routed"]
    assert routed[-1] == {"to": "agent:night", "why": "key", "by": "hours:office"}
    assert asked[-1] == 1013.0


def test_who_cannot_be_taken_goes_where_the_menu_says_and_once_only():
    places = Places({"main": menu(otherwise="agent:spare")})
    guest = Guest(places=places)
    guest.press("1")
    guest.do(guest.call.attendant.failed, "the agent has all its calls", Outcome.AGENT_BUSY)
    assert guest.acts == [ConnectAgent("eve"), ConnectAgent("spare")]
    guest.do(guest.call.attendant.failed, "no", Outcome.AGENT_BUSY)
    assert guest.outcome is Outcome.AGENT_BUSY


def test_a_transfer_that_fails_leads_on_as_well():
    guest = Guest("menu:sub")
    guest.press("1", "#")
    assert guest.call.state is CallState.TRANSFERRING
    assert ("transfer", "tel:+4930") in guest.log
    guest.do(guest.call.transfer_failed, "486 Busy Here", 486)
    assert guest.acts == [ConnectAgent("eve")]
    assert [event.data["next"] for event in guest.told if event.type == "route_failed"] == ["agent:eve"]


def test_an_agent_whose_provider_is_down_overflows():
    guest = Guest("agent:eve", otherwise="menu:main")
    assert (guest.acts, guest.call.state) == ([ConnectAgent("eve")], CallState.RINGING)
    agent = Agent("eve", "eve.yaml", AgentDefinition(greeting="Hello."), {})
    guest.do(guest.call.agent_connects, agent, FakeSession(guest.log), None, "")
    assert guest.call.setup.agent_missing("no provider", guest.now)
    guest.drain()
    guest.do(guest.call.confirmed)
    assert (guest.path, guest.said) == (["agent:eve", "menu:main"], ["Press one."])
    assert guest.acts == [ConnectAgent("eve"), ReleaseAgent()]


def test_an_early_menu_costs_nothing_until_the_agent_is_there():
    places = Places({"main": menu(answer="early")})
    guest = Guest(places=places, answers="early")
    assert (guest.call.state, guest.said) == (CallState.RINGING, ["Press one."])
    assert "answer" not in [entry[0] for entry in guest.log]
    guest.press("1")
    guest.connects()
    assert guest.call.state is CallState.ANSWERED
    guest = Guest(places=places)  # the trunk does not let it
    assert guest.call.state is CallState.ANSWERED


def test_the_call_is_answered_for_what_follows_an_early_menu():
    places = Places({"main": menu(answer="early", keys={"1": "voicemail:box"})}, PLACES.mailboxes)
    guest = Guest(places=places, answers="early")
    guest.press("1")
    assert guest.call.state is CallState.ANSWERED
    guest.do(guest.call.confirmed)
    assert (guest.said[-1], guest.path) == ("Speak.", ["menu:main", "voicemail:box"])


def test_a_caller_who_holds_us_is_not_counted_out():
    guest = Guest()
    guest.plays_out()
    guest.do(guest.call.held_by_caller, True)
    guest.run(60)
    assert (guest.finished, guest.said) == (False, ["Press one."])
    guest.do(guest.call.held_by_caller, False)
    assert guest.said == ["Press one."] * 2
    guest.plays_out()
    guest.run(5)
    assert len(guest.said) == 3  # the first try was none


def test_who_speaks_goes_where_speech_leads():
    places = Places({"main": menu(speech=read("agent:eve"))})
    guest = Guest(places=places)
    assert ("listen_for_speech", 200) in guest.log
    guest.do(guest.call.voice_heard)
    assert (guest.acts, guest.leg.queued) == ([ConnectAgent("eve", answers=True)], 0)


def test_a_caller_who_hangs_up_in_a_prompt_is_a_caller_who_hung_up():
    guest = Guest()
    guest.do(guest.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert (guest.finished, guest.outcome) == (True, Outcome.CALLER_HUNG_UP)
    assert guest.call.deadline() is None


def test_nobody_walks_in_circles_for_ever():
    guest = Guest()
    guest.press(*"29" * 60)
    assert guest.finished
    assert "100 places" in guest.told[-1].data["problem"]


def test_a_route_to_hangup_refuses_the_call():
    guest = Guest("hangup")
    assert [entry[:2] for entry in guest.log if entry[0] in ("answer", "reject")] == [("reject", 480)]
    assert guest.outcome is Outcome.MENU_HUNG_UP


def test_a_place_that_a_reload_took_away_ends_as_no_route():
    guest = Guest("menu:gone")
    assert guest.outcome is Outcome.NO_ROUTE


def test_an_agent_sends_its_caller_back_to_a_menu_and_its_session_ends():
    guest = Guest()
    guest.press("1")
    guest.connects(
        Agent("eve", "e", AgentDefinition(transfer_targets={"menu": "menu:main"}, tools=["transfer_call"]), {})
    )
    guest.calls("transfer_call", '{"target": "menu"}')
    guest.run(1)
    assert ("close session",) in guest.log
    assert guest.acts == [ConnectAgent("eve"), ReleaseAgent()]
    assert (guest.path[-1], guest.said[-1]) == ("menu:main", "Press one.")
    assert guest.call.record()["agent"] == "eve"  # who had it last
    guest.press("1")
    assert guest.acts[-1] == ConnectAgent("eve")


def test_commands_that_need_an_agent_say_that_there_is_none():
    guest = Guest()
    for verb, about in (("say", {"text": "Hi."}), ("inject", {"text": "x"}), ("steer", {"event": {"type": "x"}})):
        with pytest.raises(WrongState, match="no agent has it"):
            guest.call.commands.do(verb, about, guest.now)
    guest.do(guest.call.commands.do, "transfer", {"to": "voicemail:box"})
    assert guest.path == ["menu:main", "voicemail:box"]


def test_its_state_can_be_written_down():
    guest = Guest()
    guest.press("2")
    known = guest.call.snapshot(guest.now)["parts"]["attendant"]
    assert known == {
        "stage": "menu", "menu": "sub", "tries": 1, "digits": "", "ahead": "", "otherwise": "agent:eve", "count": 2,
        "waits": None,
    }  # fmt: skip


# 1,000 callers who press what they like, against a model that is written another way

BERLIN = ZoneInfo("Europe/Berlin")
PROMPT_SECONDS = 2.0
STARTS = [
    datetime(2026, 3, 29, 1, 58, tzinfo=BERLIN),  # the clock is set to 3:00 in two minutes
    datetime(2026, 3, 29, 5, 58, tzinfo=BERLIN),  # the night shift ends, one hour shorter
    datetime(2026, 10, 25, 2, 58, tzinfo=BERLIN),  # 2:00 comes again
    datetime(2026, 10, 25, 2, 58, tzinfo=BERLIN, fold=1),
    datetime(2026, 10, 25, 5, 59, tzinfo=BERLIN),
    datetime(2026, 6, 1, 23, 59, tzinfo=BERLIN),  # midnight within the shift
    datetime(2026, 6, 1, 21, 59, 30, tzinfo=BERLIN),
    datetime(2026, 6, 1, 7, 59, 30, tzinfo=BERLIN),  # a Monday, when the office opens
    datetime(2026, 6, 5, 17, 59, 30, tzinfo=BERLIN),  # and on Friday when it closes
    datetime(2026, 1, 6, 10, 0, tzinfo=BERLIN),  # Epiphany: a holiday in Bavaria
    datetime(2026, 1, 7, 10, 0, tzinfo=BERLIN),
]
TREE = {
    "main": ({"1": "hours:office", "2": "menu:sub", "3": "voicemail:box", "0": "hours:night"}, "hours:night", 2),
    "sub": ({"1": "agent:sales", "12": "agent:desk", "123": "menu:main", "9": "menu:main"}, "agent:reception", 3),
    "closed": ({"1": "voicemail:box", "2": "menu:main"}, "hangup", 1),
}
ROUTER = Router(
    (),
    {
        "office": Hours("office", BERLIN, {day: spans_in("08:00-18:00") for day in range(5)}, country="DE", state="BY"),
        "night": Hours("night", BERLIN, {day: spans_in("22:00-06:00") for day in range(7)}),
    },
    {
        "office": Fork(read("agent:desk"), read("menu:closed")),
        "night": Fork(read("agent:night"), read("voicemail:box")),
    },
)
WALKS = Places(
    {name: menu(name, f"This is {name}.", keys, last, tries=tries) for name, (keys, last, tries) in TREE.items()},
    {"box": Mailbox("box", Prompted(say="Speak."))},
)


def is_there(name, epoch):
    """The same calendars, by hand."""
    local = datetime.fromtimestamp(epoch, BERLIN)
    if name == "night":
        return local.hour >= 22 or local.hour < 6
    return local.weekday() < 5 and 8 <= local.hour < 18 and (local.month, local.day) != (1, 6)


def by_model(start, keys, busy):
    """The path of a caller who presses `keys`, pairs of seconds and digit, and hangs up with the last: it has none."""
    path, to, otherwise = [], "menu:main", None
    keys, now = list(keys), 0.0
    while True:
        kind, _, name = to.partition(":")
        if kind == "hours":
            there = is_there(name, start + now)
            to = {"office": ("menu:closed", "agent:desk"), "night": ("voicemail:box", "agent:night")}[name][there]
            continue
        path.append(to)
        if kind == "agent" and name in busy:
            if otherwise is None:
                return path, "agent_busy"
            to, otherwise = otherwise, None
            continue
        if kind != "menu":
            return path, to
        ways, last, tries = TREE[name]
        otherwise, to = last, None
        while to is None and tries:
            digits, ends = "", now + PROMPT_SECONDS + 5
            while to is None:
                at, key = keys[0]
                if at > ends:  # nothing more is pressed
                    now = ends
                    to = ways.get(digits)
                    break
                now = at
                if key is None:
                    return path, "caller_hung_up"
                digits += keys.pop(0)[1]
                longer = [one for one in ways if one.startswith(digits) and one != digits]
                if longer:
                    ends = now + 2
                    continue
                to = ways.get(digits, ways.get(digits.removesuffix("#")))
                break
            tries -= 1
        if to is None:
            to, otherwise = last, None


class Walker(Guest):
    """Prompts last for two seconds; agents that are busy say so."""

    def __init__(self, start, busy):
        self.busy, self.offset, self.drains_at, self.reached, self.begun = busy, start, None, None, 0
        super().__init__(places=WALKS, resolve=lambda to, at: ROUTER.resolve(to, at - 1010.0 + self.offset))

    def perform(self, action):
        super().perform(action)
        if isinstance(action, ConnectAgent):
            if action.name in self.busy:
                self.do(self.call.attendant.failed, "as many calls as it may", Outcome.AGENT_BUSY)
            else:
                self.reached = f"agent:{action.name}"

    def drain(self):
        super().drain()
        if not self.leg.queued:
            self.drains_at = None
        elif (said := sum(entry[0] == "announce" for entry in self.log)) != self.begun:
            self.drains_at, self.begun = self.now + PROMPT_SECONDS, said

    @property
    def arrived(self):
        return self.finished or self.reached or self.call.voicemail.active

    def run_to(self, until):
        while not self.arrived:
            times = [one for one in (self.call.deadline(), self.drains_at) if one is not None and one <= until]
            if not times:
                break
            self.now = max(self.now, min(times))
            if self.drains_at is not None and self.drains_at <= self.now:
                self.drains_at = None
                self.plays_out()
            else:
                self.call.expire(self.now)
                self.drain()
        self.now = until


@settings(max_examples=1000, deadline=None)
@given(
    st.sampled_from(STARTS),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("0123459#*")), max_size=12),
    st.sets(st.sampled_from(["desk", "sales", "night", "reception"])),
)
def test_random_walks_go_where_a_model_says(start, pressed, busy):
    at, keys = 0.0, []
    for seconds, key in pressed:
        at += seconds + 0.37  # which is no multiple of any timer
        keys.append((at, key))
    keys.append((at + 200.41, None))
    epoch = start.timestamp()
    path, end = by_model(epoch, keys, busy)
    walker = Walker(epoch, busy)
    for when, key in keys:
        walker.run_to(10.0 + when)
        if walker.arrived:
            break
        if key:
            walker.press(key)
        else:
            walker.do(walker.call.leg_ended, Outcome.CALLER_HUNG_UP, "")
    assert walker.path == path
    if end in ("agent_busy", "caller_hung_up"):
        assert walker.outcome == end
    elif end == "hangup":
        assert walker.outcome in ("menu_hung_up", "no_input")
    elif end == "voicemail:box":
        assert walker.call.voicemail.active
    else:
        assert walker.reached == end


def test_a_route_by_a_calendar_says_which_it_was():
    guest = Guest("hours:office", resolve=lambda to, at: read("menu:main") if to.kind == "hours" else to)
    routed = [event.data for event in guest.told if event.type == "routed"]
    assert routed == [{"to": "menu:main", "why": "route", "by": "hours:office"}]
    assert guest.said == ["Press one."]
