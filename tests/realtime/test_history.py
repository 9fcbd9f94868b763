import pytest

from gateway.realtime.history import GO_ON, MAX_ENTRIES, History


def texts(history):
    """(role, text) of what would be replayed, without the note that comes first."""
    items = history.items()
    if not items:
        return []
    assert (items[0]["role"], items[0]["content"][0]["text"]) == ("system", GO_ON)
    return [(item["role"], item["content"][0]["text"]) for item in items[1:] if item["type"] == "message"]


def test_nothing_was_said():
    assert History().items() == []


def test_turns_stand_in_their_order_though_words_come_late():
    history = History()
    session = history.begin()
    session.turn("u1")
    session.more("a1", "We are")
    session.more("a1", " open.")
    session.words("user", "u1", "are you open")
    history.text("user", "[DTMF] 1")
    session.words("assistant", "a1", "We are open!")
    assert texts(history) == [("user", "are you open"), ("assistant", "We are open!"), ("user", "[DTMF] 1")]
    kinds = [part["type"] for item in history.items() for part in item["content"]]
    assert kinds == ["input_text", "input_text", "output_text", "input_text"]


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (0, ""),
        (500, "one two"),
        (999, "one two three four"),
        (1000, "one two three four"),
        (5000, "one two three four"),
    ],
)
def test_what_was_not_heard_was_not_said(heard_ms, text):
    history = History()
    session = history.begin()
    session.audio("a", 400)
    session.audio("a", 600)
    session.words("assistant", "a", "one two three four")
    session.cut("a", heard_ms)
    assert [words for _, words in texts(history)] == ([text] if text else [])


def test_functions_go_with_their_answers_and_open_ones_without():
    history = History()
    history.call("c1", "hours", "{}")
    history.call("c2", "book", '{"day":"today"}')
    history.output("c1", "9 to 5")
    history.output("c9", "nobody asked")
    assert history.open_calls == {"c2"}
    assert [(item["type"], item.get("output")) for item in history.items()[1:]] == [
        ("function_call", None), ("function_call_output", "9 to 5"), ("function_call", None),
    ]  # fmt: skip


def test_ids_of_one_session_are_not_those_of_the_next():
    history = History()
    one, other = history.begin(), history.begin()
    one.words("assistant", "item", "Hello.")
    other.words("assistant", "item", "Hello again.")
    one.cut("item", 0)
    assert texts(history) == [("assistant", "Hello."), ("assistant", "Hello again.")]  # no audio came: it was text
    one.audio("item", 100)
    assert texts(history) == [("assistant", "Hello again.")]


def test_a_long_talk_forgets_its_beginning():
    history = History()
    session = history.begin()
    for number in range(2 * MAX_ENTRIES):
        session.words("user", f"u{number}", f"turn {number}")
    assert len(history) == MAX_ENTRIES
    assert texts(history)[0] == ("user", f"turn {MAX_ENTRIES}")
