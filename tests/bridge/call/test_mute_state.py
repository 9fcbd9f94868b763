from tests.bridge.call.test_call import Stage


def test_the_agent_hears_nobody_while_the_caller_is_muted_or_on_hold():
    stage = Stage()
    mute = stage.call.mute
    assert not mute.input_muted
    stage.call.commands.do("mute", {}, stage.now)
    stage.call.commands.do("hold", {}, stage.now)
    stage.call.commands.do("mute", {"on": False}, stage.now)
    assert mute.input_muted  # on hold still
    stage.call.commands.do("hold", {"on": False}, stage.now)
    assert [one for one in stage.log if one[0] == "mute_input"][-1] == ("mute_input", False)
    assert mute.muted == []


def test_who_is_muted_is_in_the_record():
    stage = Stage()
    stage.call.commands.do("mute", {}, stage.now)
    stage.call.commands.do("mute", {"who": "agent"}, stage.now)
    assert stage.call.record()["muted"] == ["caller", "agent"]
