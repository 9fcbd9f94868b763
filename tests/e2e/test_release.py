"""What a tag makes: notes from the CHANGELOG where the versions fit."""

import shutil
import subprocess
import sys

import pytest
import yaml

from gateway import __version__
from tests.e2e.conftest import ROOT


@pytest.fixture
def clone(tmp_path):
    for path in ("deploy/release_notes.py", "deploy/helm/voice-agent-gateway/Chart.yaml", "gateway/__init__.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    later, now, old = (
        "## Unreleased\n- Later.\n",
        "(2026-12-01)\n\n### Added\n- All.\n",
        "## 0.0.1 (2025-01-01)\n- Old.\n",
    )
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{later}\n## {__version__} {now}\n{old}")
    return tmp_path


def notes(clone, tag):
    command = [sys.executable, str(clone / "deploy" / "release_notes.py"), tag]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_the_section_of_the_version_and_no_other(clone):
    assert notes(clone, f"v{__version__}").stdout == "### Added\n- All.\n"


def test_what_does_not_fit_is_said(clone):
    assert f"gateway/__init__.py: has {__version__}, and the tag is v9.9.9" in notes(clone, "v9.9.9").stderr
    chart = clone / "deploy/helm/voice-agent-gateway/Chart.yaml"
    chart.write_text(chart.read_text().replace(f"appVersion: {__version__}", "appVersion: 9.9.9"))
    assert "Chart.yaml: has 9.9.9" in notes(clone, f"v{__version__}").stderr
    shutil.copy(ROOT / "deploy/helm/voice-agent-gateway/Chart.yaml", chart)
    (clone / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n- All.\n")
    done = notes(clone, f"v{__version__}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no section" in done.stderr


def test_the_workflow_names_what_is_there():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    for path in ("deploy/release_notes.py", "deploy/docker/Dockerfile", "deploy/helm/voice-agent-gateway"):
        assert path in text
        assert (ROOT / path).exists()
    jobs = yaml.safe_load(text)["jobs"]
    assert set(jobs["publish"]["needs"]) == {"packages", "image"}
    assert all(jobs[name]["needs"] == "test" for name in ("packages", "image"))
