from gateway.bridge.call.part import TransferRequest
from gateway.call_record import CallState
from tests.bridge.call.test_call import Progress, Stage
from tests.bridge.call.test_call_commands import ask


def told(stage, *verbs):
    return [entry for entry in stage.log if entry[0] in verbs]


def transferring(how):
    """A call that an operator has put on hold, and whose model then asks for a transfer."""
    stage = Stage()
    stage.leg.transfers = how
    ask(stage, "hold")
    stage.do(stage.call.begin_transfer, TransferRequest("billing", "sip:billing@gw"))
    return stage


def test_an_operators_hold_outlives_a_transfer_that_fails():
    stage = transferring("bridge")
    assert stage.call.record()["held_by"] == ["gateway", "transfer"]
    stage.do(stage.call.transfer.other_ended, "486 Busy Here", 486)
    assert stage.call.state is CallState.ANSWERED
    assert told(stage, "hold") == [("hold", True)]  # never taken back
    assert told(stage, "mute_input")[-1] == ("mute_input", True)
    assert stage.call.record()["held_by"] == ["gateway"]
    ask(stage, "hold", on=False)
    assert told(stage, "hold") == [("hold", True), ("hold", False)]
    assert told(stage, "mute_input")[-1] == ("mute_input", False)  # the agent hears again
    assert stage.call.record()["held_by"] == []


def test_so_it_does_where_the_refer_is_refused():
    stage = transferring("refer")
    stage.do(stage.call.transfer_moved, Progress(603, "Decline", done=True, refused=True))
    assert told(stage, "hold") == [("hold", True)]
    assert told(stage, "mute_input")[-1] == ("mute_input", True)
    ask(stage, "hold", on=False)
    assert told(stage, "mute_input")[-1] == ("mute_input", False)


def test_a_hold_that_ends_within_a_transfer_leaves_the_transfers_own():
    stage = Stage()
    stage.leg.transfers = "bridge"
    stage.do(stage.call.begin_transfer, TransferRequest("billing", "sip:billing@gw"))
    assert stage.call.record()["held_by"] == ["transfer"]
    stage.call.hold.set("caller", True)  # which changes nothing of the music
    stage.do(stage.call.transfer.other_ended, "486 Busy Here", 486)
    assert told(stage, "hold") == [("hold", True), ("hold", False)]
    assert stage.call.hold.reasons == ["caller"]


def test_whoever_takes_the_callers_place_is_held_as_well():
    stage = Stage()
    ask(stage, "hold")
    stage.log.clear()
    stage.do(stage.call.replaced, "sip:carol@h")
    assert told(stage, "hold", "mute_input") == [("hold", True), ("mute_input", True)]
    ask(stage, "hold", on=False)
    stage.log.clear()
    stage.do(stage.call.replaced, "sip:dave@h")
    assert told(stage, "hold") == []
