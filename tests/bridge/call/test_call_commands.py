import pytest

from gateway.errors import BadCommand, WrongState
from tests.bridge.call.test_call import Progress, Stage


def ask(stage, verb, **given):
    stage.call.commands.do(verb, given, stage.now)
    stage.drain()


def test_whoever_is_muted_is_not_heard():
    stage = Stage()
    stage.speaks(500)
    ask(stage, "mute", who="agent")
    assert "flush" in stage.verbs()
    stage.speaks(500)
    assert stage.leg.queued == 0
    ask(stage, "mute", who="agent", on=False)
    stage.speaks(500)
    assert stage.leg.queued > 0
    ask(stage, "mute")
    assert ("mute_input", True) in stage.log
    with pytest.raises(BadCommand, match="who: has to be caller or agent"):
        ask(stage, "mute", who="everybody")


def test_one_who_is_muted_and_held_is_heard_when_both_are_over():
    stage = Stage()
    ask(stage, "hold")
    ask(stage, "mute")
    ask(stage, "hold", on=False)
    assert [entry for entry in stage.log if entry[0] == "mute_input"] == [("mute_input", True)] * 3
    ask(stage, "mute", on=False)
    assert stage.log[-1] == ("mute_input", False)


def test_what_is_said_and_what_the_model_is_told():
    stage = Stage()
    ask(stage, "say", text=" Hello there. ")
    assert stage.log[-1] == ("say", "Hello there.")
    ask(stage, "inject", text="VIP", respond=True)
    assert stage.log[-2:] == [("add_text", "VIP", "system"), ("create_response", "")]
    for verb, given, field in (
        ("say", {"text": " "}, "text"), ("inject", {"text": ""}, "text"),
        ("inject", {"text": "x", "role": "tool"}, "role"), ("dtmf", {"digits": "x"}, "digits"), ("sing", {}, "verb"),
    ):  # fmt: skip
        with pytest.raises(BadCommand) as caught:
            ask(stage, verb, **given)
        assert caught.value.field == field


def test_a_transfer_that_fails_is_told_to_the_model_who_did_not_ask_for_it():
    stage = Stage()
    ask(stage, "mute")
    ask(stage, "transfer", to="+15551234567")
    assert ("transfer", "tel:+15551234567") in stage.log
    with pytest.raises(WrongState, match="is transferring"):
        ask(stage, "transfer", to="+15551234567")
    stage.do(stage.call.transfer_moved, Progress(486, "Busy Here", done=True))
    assert stage.log[-2][:2] == ("add_text", "[TRANSFER] the transfer to +15551234567 failed: 486 Busy Here")
    assert stage.log[-1] == ("create_response", "")
    assert [entry for entry in stage.log if entry[0] == "mute_input"][-1] == ("mute_input", True)  # still muted


def test_nothing_is_done_before_the_answer_but_hanging_up():
    stage = Stage(talking=False)
    for verb in ("hold", "say", "dtmf", "transfer"):
        with pytest.raises(WrongState, match="is ringing: it cannot be told to"):
            ask(stage, verb, text="x", digits="1", to="sip:a@b")
    ask(stage, "hangup")
    assert stage.finished


def test_who_holds_whom_is_in_the_record():
    stage = Stage()
    ask(stage, "hold")
    stage.do(stage.call.held_by_caller, True)
    stage.do(stage.call.held_by_caller, True)  # told once
    ask(stage, "mute")
    assert stage.call.record()["held_by"] == ["gateway", "caller"]
    assert stage.call.record()["muted"] == ["caller"]
    ask(stage, "hold", on=False)
    stage.do(stage.call.held_by_caller, False)
    assert [event.data for event in stage.told if event.type == "hold"] == [
        {"on": True, "by": "gateway"}, {"on": True, "by": "caller"},
        {"on": False, "by": "gateway"}, {"on": False, "by": "caller"}]  # fmt: skip
    assert stage.call.record()["held_by"] == []
