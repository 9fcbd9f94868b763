"""Every profile loads, its example makes a trunk, and its page and its file say the same."""

import re

import pytest
import yaml
from pydantic import ValidationError

from gateway import config
from gateway.agents import BUNDLED
from gateway.cli.init_command import gateway_file
from gateway.config.sip import TrunkRow
from gateway.config.trunk_profiles import merged, names, profile, with_profile
from tests.certificates import make_certificate
from tests.test_architecture import ROOT


@pytest.mark.parametrize("name", names())
def test_its_file_is_good_and_the_one_that_comes_along(name, tmp_path, monkeypatch):
    text = (ROOT / "deploy" / "trunks" / f"{name}.yaml").read_text()
    assert text == gateway_file(name)
    for variable in re.findall(r"password_env: (\w+)", text):
        monkeypatch.setenv(variable, "x")
    certificate, key, _ = make_certificate(tmp_path, name, ends=90)
    for kind, path in (("certificate", certificate), ("key", key)):
        text = re.sub(rf"(?<=    {kind}: )\S+", path, text)
    file = tmp_path / "gateway.yaml"
    file.write_text(
        text.replace("agents: agents", f"agents: {BUNDLED}").replace("agent: reception}", "agent: receptionist}")
    )
    settings = config.from_file(file)
    (trunk,) = settings.sip.trunks
    assert (trunk.profile, bool(trunk.server or trunk.receives)) == (name, True)
    assert config.warnings_of(settings) == []
    assert trunk.hints


@pytest.mark.parametrize("name", names())
def test_its_page_says_what_was_never_tried_and_holds_its_file(name):
    page = (ROOT / "docs" / "trunks" / f"{name}.md").read_text()
    assert profile(name).proven in page.splitlines()[:4]
    for part in (
        "## What to set there",
        "## What to write here",
        "## Addresses",
        "## Transfer",
        "## Encryption",
        "## What bites",
    ):
        assert part in page
    (shown,) = re.findall(r"<!-- example -->\n(.*?)\n<!-- end of example -->", page, re.DOTALL)
    assert yaml.safe_load(shown)["trunks"][0]["profile"] == name


def test_the_row_stands_above_the_profile_key_by_key():
    row = with_profile(
        {"name": "a", "profile": "bandwidth", "server": "x", "tls": {"ca": "ca.pem"}, "codecs": ["G722"]}
    )
    assert row["tls"] == {"ciphers": "AES128-SHA256:AES256-SHA256:AES128-SHA", "ca": "ca.pem"}
    assert (row["codecs"], row["transfer"]) == (["G722"], "bridge")
    assert with_profile({"name": "a"}) == {"name": "a"}
    assert merged({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}


def test_a_profile_that_there_is_none_of_is_said():
    with pytest.raises(ValidationError, match=r"there is no profile 'telnix'; these are: .*; did you mean telnyx"):
        TrunkRow.model_validate({"name": "a", "profile": "telnix", "server": "x"})
