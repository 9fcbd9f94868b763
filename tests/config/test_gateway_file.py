import pytest

from gateway import config
from gateway.errors import ConfigError
from tests.doc_tables import configuration

FILE = {"agents": ".", "routes": [{"called": "*", "agent": "eve"}]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "eve.yaml").write_text("greeting: Hello.\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_key_has_a_sentence_a_type_and_a_place_of_its_own():
    rows = [line.split(" | ") for line in configuration() if line.startswith("| `")]
    keys = [row[0].strip("| `") for row in rows]
    assert len(keys) == len(set(keys)) > 80
    for row in rows:
        assert len(row) == 5, row
        assert all(row[:3]), row
    assert {"sip.tls.certificate", "providers.NAME.key_env", "routes.agent", "drain_seconds", "log.level"} <= set(keys)


def test_lists_and_mappings_of_the_environment_are_json(folder, monkeypatch):
    monkeypatch.setenv("GATEWAY_MEDIA_CODECS", '["G722", "PCMA"]')
    monkeypatch.setenv("GATEWAY_SIP_RETRY_AFTER", '{"node_busy": 60}')
    monkeypatch.setenv("GATEWAY_DRAIN_SECONDS", "5")
    settings = config.from_values(FILE)
    assert list(settings.bridge.codecs) == ["G722", "PCMA"]
    assert (settings.sip.retry_after["node_busy"], settings.drain_seconds) == (60, 5)


@pytest.mark.parametrize("variable", ["GATEWAY_MEDIA_CODECS", "GATEWAY_TRUNKS", "GATEWAY_DIAL_PLAN", "GATEWAY_SIP"])
def test_what_is_no_json_there_is_said_with_its_name(folder, monkeypatch, variable):
    monkeypatch.setenv(variable, "G722, PCMA")
    with pytest.raises(ConfigError, match=f"^{variable}: is no JSON"):
        config.from_values(FILE)


@pytest.mark.parametrize(
    ("section", "key", "value", "says"),
    [
        ("sip", "stun_servers", ["stun.example"], "not a host with a port"),
        ("sip", "stun_servers", [], "sip.stun_servers: is empty"),
        ("sip", "nameservers", ["ns.example:53"], "not an address with a port"),
        ("media", "codecs", ["OPUS"], "there is no codec OPUS"),
        ("media", "last_port", 19999, "last_port is below first_port"),
        ("redis", "url", "http://x", "has to begin with redis://"),
    ],
)
def test_limits_hold(folder, section, key, value, says):
    with pytest.raises(ConfigError, match=says):
        config.from_values({**FILE, section: {key: value}})
