import re

import pytest

from gateway import config
from gateway.destinations import read
from gateway.errors import ConfigError

FILE = """
hours:
  office:
    timezone: Europe/Berlin
    open: {mon-fri: "08:00-18:00"}
    open_to: menu:main
    closed_to: voicemail:night
menus:
  main:
    says: Press one for sales.
    keys: {1: agent:eve, "2": "tel:+4930?trunk=acme", "24": menu:main}
    otherwise: agent:eve
    tries: 3
voicemail:
  night: {says: {say: Speak., voice: de}, thanks: Thanks.}
trunks:
  - {name: acme, peers: [192.0.2.1]}
recordings: rec
routes:
  - {called: "+4989*", to: hours:office, otherwise: voicemail:night}
  - {called: "*", agent: eve}
agents: agents
"""


@pytest.fixture
def read_file(tmp_path):
    (tmp_path / "agents").mkdir()

    def given(text=FILE, agent="greeting: Hello.\n"):
        (tmp_path / "agents" / "eve.yaml").write_text(agent)
        (tmp_path / "gateway.yaml").write_text(text)
        return config.from_file(tmp_path / "gateway.yaml")

    return given


def test_menus_and_mailboxes_of_the_file(read_file):
    bridge = read_file().bridge
    main = bridge.places.menus["main"]
    assert (main.says.say, main.says.exact, main.tries) == ("Press one for sales.", True, 3)
    assert main.keys["2"] == read("tel:+4930?trunk=acme")
    assert bridge.places.mailboxes["night"].says.voice == "de"
    assert str(bridge.places.forks["office"].closed_to) == "voicemail:night"
    assert [str(route.to) for route in bridge.routes] == ["hours:office", "agent:eve"]
    assert str(bridge.routes[0].otherwise) == "voicemail:night"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("1: agent:eve", "1: agent:bob", r":11: menus.main.keys.1: agent:bob: there is no agent 'bob'"),
        ('"24": menu:main', '"24": menu:other', r"there is no menu 'other'; these are: main"),
        ("?trunk=acme", "?trunk=spare", r"there is no trunk 'spare'; these are: acme"),
        (
            "otherwise: agent:eve",
            "otherwise: menu:main",
            r":12: menus.main.otherwise: leads back to itself",
        ),
        ("otherwise: agent:eve", "otherwise: hours:office", r"leads back to itself"),
        ("otherwise: agent:eve", "otherwise: eve", r":12: menus.main.otherwise: .*'eve' is no destination"),
        ("1: agent:eve", "x: agent:eve", r"'x' cannot be pressed"),
        ("says: Press one for sales.", "says: ''", r":10: menus.main.says: is empty"),
        ("says: Press one for sales.", "says: {prompt: none}", r"there is no prompt 'none'"),
        ("voice: de", "speech: acme", r"there is no speech 'acme'"),
        ("    closed_to: voicemail:night\n", "", r"hours.office: wants closed_to beside it"),
        ("recordings: rec\n", "", r"voicemail: has no folder for what callers say: set recordings"),
        ("to: hours:office", "to: hours:holidays", r"there is no hours 'holidays' with open_to and closed_to"),
        ("to: hours:office,", "to: hours:office, agent: eve,", r":20: routes.0: either an agent"),
        (
            "otherwise: voicemail:night",
            "otherwise: voicemail:day",
            r"routes.0.otherwise: .*no voicemail 'day'",
        ),
        ("  main:", "  ma in:", r"a name has letters"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(read_file, old, new, says):
    assert old in FILE
    with pytest.raises(ConfigError) as caught:
        read_file(FILE.replace(old, new, 1))
    problems = [str(one) for one in (caught.value, *caught.value.more)]
    assert any(re.search(says, one) for one in problems), problems


def test_where_agents_send_their_callers_has_to_be_there(read_file):
    targets = "transfer_targets: {one: menu:main, two: 'voicemail:{{called}}', three: hangup}\n"
    read_file(agent=targets)
    with pytest.raises(ConfigError, match=r"transfer_targets.one: menu:gone: there is no menu 'gone'"):
        read_file(agent=targets.replace("menu:main", "menu:gone"))
    with pytest.raises(ConfigError, match=r"on_provider_failure.forward: .*there is no voicemail 'gone'"):
        read_file(agent="on_provider_failure: {forward: voicemail:gone}\n")


def test_a_number_that_the_dial_plan_does_not_know_is_warned_of(read_file):
    text = FILE.replace("?trunk=acme", "").replace("name: acme,", 'name: acme, server: "sip:192.0.2.1",')
    assert "dial_plan" not in " ".join(config.warnings_of(read_file(text)))
    text += "dial_plan: [{called: '+44*', trunks: [acme]}]\n"
    (warning,) = [one for one in config.warnings_of(read_file(text)) if "dial_plan" in one]
    assert warning == "menus.main.keys.2: tel:+4930 fits no row of dial_plan: it is called by the caller's trunk"
