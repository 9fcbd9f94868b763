from gateway.app import Gateway
from tests.gatewayd import running, settings_for

AGENT = "greeting: Hello.\n"


async def test_what_was_started_is_ended_in_turn(tmp_path):
    async with running(settings_for(tmp_path, {"bob": AGENT})) as (gateway, _):
        assert gateway.sip_port > 0
        assert gateway.switchboard.find("x") is None
        await gateway.drain()
        assert gateway.problems[0].startswith("draining")


async def test_transcripts_are_logged_only_where_that_is_wanted(tmp_path, capsys):
    from gateway.records import CallEvent

    for wanted in (False, True):
        gateway = Gateway(settings_for(tmp_path, {"bob": AGENT}, log={"transcripts": wanted}))
        gateway._log(CallEvent("c", 1.0, "transcript", {"text": "a secret"}), {})
        assert ("a secret" in capsys.readouterr().out) is wanted
