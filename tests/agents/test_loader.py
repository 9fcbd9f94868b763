import pytest

from gateway.agents import BUNDLED, load_agent, load_agents
from gateway.errors import ConfigError

GOOD = "instructions: Be kind.\ntools: [hang_up, clock]\n"
CLOCK = (
    "from gateway.agents import tool\n\n@tool\ndef clock() -> str:\n    '''The time.'''\n    return 'noon'\n"
    "\ndef helper():\n    pass\n"
)


def write(folder, text=GOOD, python=CLOCK):
    (folder / "bob.yaml").write_text(text)
    (folder / "bob.py").write_text(python)
    return folder / "bob.yaml"


def test_an_agent_is_its_file_and_the_functions_beside_it(tmp_path):
    agent = load_agent(write(tmp_path))
    assert (agent.name, list(agent.tools)) == ("bob", ["clock"])
    assert agent.tools["clock"].bind("{}", None)() == "noon"


@pytest.mark.parametrize(
    ("text", "python", "says"),
    [
        ("greeting: hi\n\ngreeeting: hi\n", "", r"bob.yaml:3: greeeting: there is no such key"),
        ("tools:\n  - hang_up\n  - dance\n", CLOCK, r"bob.yaml:3: tools: there is no tool 'dance'.*clock"),
        ("greeting: hi\ngreeting: ho\n", "", r"bob.yaml:2: .*stands there twice"),
        ("greeting: [\n", "", r"bob.yaml:2: not valid YAML"),
        ("- a\n", "", r"bob.yaml:1: it has to be a mapping"),
        ("tools: [transfer_call]\n", "", r"transfer_targets: transfer_call needs"),
        (
            "turn_detection:\n  type: server_vad\n  threshold: 3\n",
            "",
            r"bob.yaml:3: turn_detection.threshold: .* not 3",
        ),
        (GOOD, "import nothing_of_the_kind\n", r"bob.py: ModuleNotFoundError: .*nothing_of_the_kind"),
        (GOOD, CLOCK.replace("clock()", "clock(x)"), r"bob.py: TypeError: clock: the parameter 'x'"),
    ],
)
def test_errors_name_the_file_the_line_and_the_key(tmp_path, text, python, says):
    with pytest.raises(ConfigError, match=says):
        load_agent(write(tmp_path, text, python))


def test_all_that_is_wrong_is_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_agent(write(tmp_path, "speed: 9\nvoicee: x\ngreeting: '{{who}}'\n"))
    assert [error.line for error in (caught.value, *caught.value.more)] == [1, 2, 3]


def test_a_folder_without_agents(tmp_path):
    with pytest.raises(ConfigError, match="no agent in it"):
        load_agents(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_agent(tmp_path / "nobody.yaml")


async def test_the_receptionist_books_each_time_once():
    tools = load_agents(BUNDLED)["receptionist"].tools

    class Caller:
        def __init__(self, uri):
            self.caller = type("P", (), {"uri": uri})

    book = tools["book_appointment"]
    arguments = '{"day": "today", "time": "ten"}'
    assert await book.bind(arguments, Caller("sip:a@h"))() == {"booked": "today at ten"}
    assert await book.bind(arguments, Caller("sip:b@h"))() == {"error": "today at ten is taken"}
    assert await book.bind(arguments, Caller("sip:a@h"))() == {"booked": "today at ten"}
    assert "eight" in tools["opening_hours"].bind("", None)()["opens"]
