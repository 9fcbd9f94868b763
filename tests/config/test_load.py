import pytest

from gateway import config
from gateway.errors import ConfigError

GOOD = """
sip:
  host: 0.0.0.0
  port: 5070
agents: agents
providers:
  acme:
    url: wss://api.example.org/v1/realtime
    key_env: ACME_KEY
routes:
  - called: "1*"
    agent: bob
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "secret")
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "bob.yaml").write_text("provider: acme\n")
    return tmp_path


def write(folder, text):
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def test_a_file_becomes_settings_of_the_rooms(folder):
    settings = config.from_file(write(folder, GOOD))
    assert (settings.sip.host, settings.sip.port, settings.media.host) == ("0.0.0.0", 5070, "0.0.0.0")
    assert settings.providers["acme"].key == "secret"
    assert str(settings.bridge.routes[0].to) == "agent:bob"
    assert not settings.embedded


def test_the_environment_is_above_the_file_and_the_command_line_above_both(folder, monkeypatch):
    monkeypatch.setenv("GATEWAY_SIP_PORT", "5080")
    monkeypatch.setenv("GATEWAY_SIP_PUBLIC_HOST", "203.0.113.1")
    monkeypatch.setenv("GATEWAY_DRAIN_SECONDS", "5")
    path = write(folder, GOOD)
    settings = config.from_file(path)
    assert (settings.sip.port, settings.sip.public_host, settings.drain_seconds) == (5080, "203.0.113.1", 5)
    assert settings.sip.host == "0.0.0.0"
    assert config.from_file(path, {"sip": {"port": 5090}}).sip.port == 5090


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "port: 5070",
            "port: 99999",
            r"gateway.yaml:4: sip.port: has to be at most 65535, not 99999",
        ),
        ("port: 5070", "prot: 5070", r"gateway.yaml:4: sip.prot: there is no such key"),
        ("wss://api", "https://api", r"gateway.yaml:8: providers.acme.url"),
        ("ACME_KEY", "NO_SUCH_KEY", r"providers.acme.key_env: the environment has no NO_SUCH_KEY"),
        ("agent: bob", "agent: eve", r"routes.0.agent: there is no agent 'eve'; these are: bob"),
        ("agents: agents", "agents: elsewhere", r"elsewhere: there is no agent in it"),
        ("agents: agents", "", r"agents: is missing"),
        ('routes:\n  - called: "1*"\n    agent: bob', "", r"routes: is empty"),
        ("agents: agents", "agents: agents\nmedia: {codecs: [G729]}", r"gateway.yaml:6: media: there is no codec G729"),
        (
            "agents: agents",
            "agents: agents\ntrunks: [{name: a, peers: [10.0.0.300]}]",
            r"gateway.yaml:6: trunks.0.peers",
        ),
        (
            "agents: agents",
            "agents: agents\ntrunks: [{name: a, peers: []}]",
            r"gateway.yaml:6: trunks.0: it needs peers or users",
        ),
        (
            "agents: agents",
            "agents: agents\ntrunks: [{name: a, peers: [10.0.0.1]}, {name: a, peers: [10.0.0.2]}]",
            r"trunks: two trunks have the same name",
        ),
        ("port: 5070", "port: 5070\n  retry_after: {lunch: 5}", r"gateway.yaml:5: sip.retry_after.lunch"),
        (
            "agents: agents",
            "agents: agents\nmedia: {ptime_ms: 25}",
            r"media.ptime_ms: has to be one of 10, 20, 30, 40, 60, not 25",
        ),
        ("agents: agents", "agents: agents\nmedia: {first_port: 9, last_port: 8}", r"last_port is below"),
    ],
)
def test_what_is_wrong_is_named(folder, old, new, says):
    assert old in GOOD
    with pytest.raises(ConfigError, match=says):
        config.from_file(write(folder, GOOD.replace(old, new)))


def test_an_agent_with_an_unknown_provider(folder):
    (folder / "agents" / "bob.yaml").write_text("provider: nobody\n")
    with pytest.raises(
        ConfigError, match=r"bob.yaml:1: provider: there is no provider 'nobody'; these are: local, acme"
    ):
        config.from_file(write(folder, GOOD))


def test_a_variable_that_is_wrong_is_named_by_its_own_name(folder, monkeypatch):
    monkeypatch.setenv("GATEWAY_SIP_PORT", "many")
    with pytest.raises(ConfigError, match=r"^GATEWAY_SIP_PORT: .*'many'"):
        config.from_file(write(folder, GOOD))
    monkeypatch.setenv("GATEWAY_SIP_PORT", "5060")
    monkeypatch.setenv("GATEWAY_SIP_COLOUR", "red")
    with pytest.raises(ConfigError, match=r"GATEWAY_SIP_COLOUR"):
        config.from_file(write(folder, GOOD))


def test_the_demo_needs_nothing():
    settings = config.from_values(config.DEMO, {"http": {"port": 0}})
    assert settings.embedded
    assert settings.http.port == 0
    with pytest.raises(ConfigError, match=r"sip\.port"):
        config.from_values(config.DEMO, {"sip": {"port": -1}})


@pytest.mark.parametrize(
    ("sip", "says"),
    [
        ("host: 127.0.0.1", ""),
        ("host: localhost", ""),
        ("host: 0.0.0.0", "only this machine and private networks may call"),
        ("host: 127.0.0.1\n  also: [{host: '::', port: 5060}]", "only this machine and private networks may call"),
        ("host: 192.0.2.1\n  open: true", "EVERYBODY who reaches SIP here may call"),
    ],
)
def test_who_may_call_without_trunks_is_said(folder, sip, says):
    settings = config.from_file(write(folder, GOOD.replace("host: 0.0.0.0", sip)))
    assert says in settings.open_to_all
    assert bool(says) == bool(settings.open_to_all)
    carrier = "trunks: [{name: carrier, peers: [203.0.113.0/24]}]\n"
    assert not config.from_file(write(folder, GOOD.replace("host: 0.0.0.0", sip) + carrier)).open_to_all


def test_there_is_a_limit_where_none_is_set(folder):
    sip = config.from_file(write(folder, GOOD)).sip
    assert (sip.max_calls, sip.calls_per_second, sip.open) == (500, 50, False)


def test_retry_after_is_set_by_reason_and_the_others_stay(folder):
    settings = config.from_file(write(folder, GOOD.replace("port: 5070", "port: 5070\n  retry_after: {draining: 90}")))
    assert (settings.sip.retry_after["draining"], settings.bridge.retry_after["trunk_busy"]) == (90, 5)


TOOLS = """
webhooks: {book: {url: "https://h/", description: Book., secret_env: HOOK}}
local: {chat: {url: "https://llm/v1", model: m, key_env: LLM}}
tools: [book]
"""


def test_secrets_of_tools_and_models_are_in_the_environment(folder, monkeypatch):
    (folder / "agents" / "bob.yaml").write_text(TOOLS)
    file = folder / "gateway.yaml"
    file.write_text(
        "agents: agents\nroutes: [{agent: bob}]\nmcp: {far: {command: [x, y], env: {TOKEN: FAR}}, near: {url: http://h/mcp}}\n"
    )
    for name, key in (("HOOK", "webhooks.book.secret_env"), ("LLM", "local.chat.key_env"), ("FAR", "mcp.far.env")):
        monkeypatch.delenv(name, raising=False)
        for other in {"HOOK", "LLM", "FAR"} - {name}:
            monkeypatch.setenv(other, f"secret {other}")
        with pytest.raises(ConfigError, match=rf"{key}: the environment has no {name}"):
            config.from_file(file)
    monkeypatch.setenv("FAR", "secret FAR")
    settings = config.from_file(file)
    assert settings.webhook_secrets == {("bob", "book"): "secret HOOK"}
    assert settings.chat_keys == {"bob": "secret LLM"}
    assert [(row.name, row.command, row.env, row.url) for row in settings.mcp] == [
        ("far", ("x", "y"), {"TOKEN": "secret FAR"}, ""), ("near", (), {}, "http://h/mcp"),
    ]  # fmt: skip
    assert "secret" not in repr(settings)


@pytest.mark.parametrize("row", ["{}", "{command: [x], url: http://h/}", "{url: ftp://h/}"])
def test_an_mcp_server_is_started_or_reached(folder, row):
    (folder / "gateway.yaml").write_text(f"agents: agents\nmcp: {{far: {row}}}\n")
    with pytest.raises(ConfigError, match=r"mcp\.far"):
        config.from_file(folder / "gateway.yaml")


def test_a_prompt_that_is_not_there_is_told_before_any_call(folder):
    (folder / "agents" / "bob.yaml").write_text("on_provider_failure: {play: sorry.wav}\n")
    (folder / "gateway.yaml").write_text("agents: agents\nroutes: [{agent: bob}]\n")
    with pytest.raises(ConfigError, match=r"on_provider_failure\.play: .*sorry\.wav"):
        config.from_file(folder / "gateway.yaml")
