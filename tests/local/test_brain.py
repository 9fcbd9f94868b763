from gateway.local import Rule, Script
from gateway.local.brain import Brain, Reply

SCRIPT = Script(
    (
        Rule(
            ("transfer to {who}",), "To {who}.", "transfer_call", {"target": "{who}"}, failed="{who} is away: {error}"
        ),
        Rule(("hours",), calls="hours", then="From {opens}."),
        Rule(("hello",), "Hi."),
    ),
    {"who": ("sales",)},
    otherwise="What?",
)


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def call(name, call_id="c1"):
    return {"type": "function_call", "name": name, "call_id": call_id}


def output(text, call_id="c1"):
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def test_a_rule_speaks_and_calls():
    reply = Brain(SCRIPT).reply([user("transfer to sales")], "", {"transfer_call"})
    assert reply == Reply("To sales.", (("transfer_call", {"target": "sales"}),))


def test_a_tool_that_is_not_offered_is_not_called():
    assert Brain(SCRIPT).reply([user("transfer to sales")], "", set()) == Reply("To sales.")
    assert Brain(SCRIPT).reply([user("hours")], "", set()) == Reply("What?")


def test_the_answer_of_a_tool_is_spoken_and_so_is_its_failure():
    brain = Brain(SCRIPT)
    brain.reply([user("hours")], "", {"hours"})
    assert brain.reply([call("hours"), output('{"opens": "eight"}')], "", set()) == Reply("From eight.")
    brain.reply([user("transfer to sales")], "", {"transfer_call"})
    failed = brain.reply([call("transfer_call"), output('{"error": "603 Decline"}')], "", set())
    assert failed == Reply("sales is away: 603 Decline")


def test_an_answer_in_plain_text():
    assert Brain(SCRIPT).reply([call("x"), output("done")], "", set()) == Reply("done")


def test_instructions_may_say_the_very_words():
    assert Brain(SCRIPT).reply([], 'Greet. Say exactly: "Good day!"', set()) == Reply("Good day!")
    assert Brain(SCRIPT).reply([user("hello")], "Be brief.", set()) == Reply("Hi.")
    assert Brain(SCRIPT).reply([], "", set()) == Reply("What?")
