"""The documentation as a site: it builds without a warning, and would not with a link that leads nowhere."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.e2e.conftest import ROOT

pytest.importorskip("mkdocs", reason="mkdocs is not installed (the extra docs: make docs)")
pytest.importorskip("material", reason="mkdocs-material is not installed (the extra docs: make docs)")
pytestmark = pytest.mark.long


def build(root, site):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]  # with --quiet it counts no warnings
    command += ["-f", str(root / "deploy" / "site" / "mkdocs.yml"), "-d", str(site)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=quiet, check=False)


def test_it_builds_without_a_warning(tmp_path):
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    for page, words in {
        "index.html": "Puts Realtime voice agents on the telephone",
        "cli.html": "gateway trunks try",
        "http.html": "/v1/calls/{call_id}/transfer",
        "configuration.html": "sip.public_host",
        "providers/openai.html": "OPENAI_API_KEY",
        "files/deploy/production/gateway.yaml.txt": "redis+sentinel://",
    }.items():
        assert words in (tmp_path / "site" / page).read_text(), page


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](sip.md#no-such-heading)", "[x](../deploy/nowhere.yaml)"])
def test_a_link_that_leads_nowhere_is_an_error(tmp_path, link):
    for folder in ("docs", "deploy", "agents", "sipp-scenarios"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / file, tmp_path)
    with (tmp_path / "docs" / "sip.md").open("a") as page:
        page.write(f"\n{link}\n")
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    assert "sip.md" in done.stdout + done.stderr
