import re
import shutil
import subprocess

import pytest

from gateway import __version__, versions
from tests.test_architecture import ROOT

needs_git = pytest.mark.skipif(
    not shutil.which("git"), reason="git is not installed: a checkout cannot know its commit"
)


@needs_git
def test_a_checkout_knows_its_commit():
    wanted = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert wanted.startswith(versions.commit().removesuffix("-dirty"))
    assert re.fullmatch(r"[0-9a-f]{12}(-dirty)?", versions.commit())


def test_a_package_has_the_commit_that_it_was_made_of_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "__file__", str(tmp_path / "versions.py"))
    assert versions.commit() == ""
    (tmp_path / "COMMIT").write_text("0123456789ab\n")
    assert versions.commit() == "0123456789ab"


@needs_git
def test_what_matters_is_named_with_its_version():
    first, python, parts, *extras = versions.described()
    assert first.startswith(f"voice-agent-gateway {__version__} (")
    assert python.startswith("Python 3.")
    assert "OpenSSL" in python
    assert "missing" not in parts
    assert [line.partition(":")[0] for line in extras] == list(versions.EXTRAS)
    assert versions.version_of("no-such-package") == ""
