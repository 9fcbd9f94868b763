"""What docs/production.md asks for, as far as a machine can hold it."""

import re

import yaml

from gateway import config
from gateway.config.starters import agent_for, secrets_in
from tests.certificates import make_certificate
from tests.e2e.conftest import ROOT

PAGE = (ROOT / "docs" / "production.md").read_text()


def test_its_file_is_good(tmp_path, monkeypatch):
    text = (ROOT / "deploy" / "production" / "gateway.yaml").read_text()
    certificate, key, _ = make_certificate(tmp_path, "gateway")
    for name in secrets_in(text):
        monkeypatch.setenv(name, "postgresql://x" if name == "CALLS_DATABASE" else "c2VjcmV0" * 6)
    for there, here in (("fullchain", certificate), ("privkey", key)):
        text = text.replace(f"/etc/gateway/tls/{there}.pem", str(here))
    (tmp_path / "gateway.yaml").write_text(text.replace("/var/lib/gateway", str(tmp_path)))
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "reception.yaml").write_text(agent_for("openai"))
    settings = config.from_file(tmp_path / "gateway.yaml")
    assert config.warnings_of(settings) == []
    assert settings.recording_days == 90
    ports = (settings.media.last_port - settings.media.first_port + 1) // 2
    assert ports >= 2 * settings.sip.max_calls  # as the page says


def test_every_alert_says_what_to_do_at_night():
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    told = dict(re.findall(r"^\| `(\w+)` \| (page|ticket) \|", PAGE, re.MULTILINE))
    assert told == {rule["alert"]: rule["labels"]["severity"] for rule in rules}
