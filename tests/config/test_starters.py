import pytest

from gateway import config
from gateway.cli.init_command import gateway_file
from gateway.config.starters import COMPANY, agent_for, names, secrets_in, starter
from gateway.realtime.openai.dialects import SessionConfig


@pytest.mark.parametrize("name", names())
def test_each_is_good_as_it_stands(name, tmp_path, monkeypatch):
    text = gateway_file("", name)
    for one in secrets_in(text):
        monkeypatch.setenv(one, "secret")
    (tmp_path / "gateway.yaml").write_text(text)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "reception.yaml").write_text(agent_for(name, 'O\'Neill & Söhne, "Garden House"'))
    settings = config.from_file(tmp_path / "gateway.yaml")
    agent = settings.agents["reception"].definition
    assert agent.provider == name
    assert 'O\'Neill & Söhne, "Garden House"' in agent.instructions
    assert 'O\'Neill & Söhne, "Garden House"' in agent.greeting.say
    assert COMPANY not in agent.greeting.say
    assert agent.tools == ("hang_up",)
    assert settings.embedded == (name == "local")
    warnings = [one for one in config.warnings_of(settings) if "no trunks" not in one]
    assert warnings == []


@pytest.mark.parametrize("name", names())
def test_each_says_whose_it_is_and_what_it_was_tried_with(name):
    one = starter(name)
    assert one.title
    assert not one.title.startswith("#")
    assert one.proven.endswith(".")
    assert f"docs/providers/{name}.md" in one.agent


@pytest.mark.parametrize("company", ["", " ", "a\nb", "{{caller}}", "ACME: voice", "no # comment"])
def test_a_company_that_would_break_the_file_is_refused(company):
    with pytest.raises(ValueError, match="cannot stand in the agent's text"):
        agent_for("local", company)


def test_secrets_of_comments_are_told_apart():
    text = "a: {key_env: A_KEY, admin_key_env: C_KEY}\n  # b: {key_env: B_KEY}\nc: {}   # key_env: not said\n"
    assert secrets_in(text) == {"A_KEY": True, "C_KEY": True, "B_KEY": False}


def test_an_unknown_one_is_said_with_what_there_is():
    with pytest.raises(ValueError, match=r"there is no provider 'opnai'; these are: azure, .*; did you mean openai\?"):
        starter("opnai")


def test_the_session_of_speaches_is_flat(tmp_path):
    """As `PartialSession` of speaches' src/speaches/types/realtime.py has it; what it does not know it passes over."""
    text = gateway_file("", "speaches")
    (tmp_path / "gateway.yaml").write_text(text)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "reception.yaml").write_text(agent_for("speaches"))
    settings = config.from_file(tmp_path / "gateway.yaml")
    wanted = SessionConfig(
        model="m", voice="af_heart", tts_model="t", transcription={"model": "w"}, turn_detection={"type": "server_vad"}
    )
    sent = settings.providers["speaches"].dialect.session(wanted)
    assert {key: value for key, value in sent.items() if key not in ("type", "audio")} == {
        "model": "m",
        "instructions": "",
        "modalities": ["audio"],
        "voice": "af_heart",
        "speech_model": "t",
        "turn_detection": {"type": "server_vad"},
        "input_audio_transcription": {"model": "w"},
        "tools": [],
        "tool_choice": "auto",
    }
    assert set(sent["audio"]["input"]) == set(sent["audio"]["output"]) == {"format"}
