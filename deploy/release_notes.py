"""`python deploy/release_notes.py v0.1.0`: the section of CHANGELOG.md for a tag that fits all versions."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = {
    "gateway/__init__.py": r'__version__ = "([^"]+)"',
    "deploy/helm/voice-agent-gateway/Chart.yaml": r"(?m)^appVersion: (\S+)$",
}
"""Where the version stands, and how."""


def notes(tag: str, root: Path = ROOT) -> str:
    """Raises SystemExit, which says what does not fit."""
    version = tag.removeprefix("v")
    for path, pattern in VERSIONS.items():
        found = re.search(pattern, (root / path).read_text(encoding="utf-8"))
        if not found or found[1] != version:
            sys.exit(f"{path}: has {found[1] if found else 'no version'}, and the tag is {tag}")
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"(?ms)^## {re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n(.*?)(?=^## |\Z)", text)
    if not section or not section[1].strip():
        sys.exit(f"CHANGELOG.md: has no section '## {version} (YYYY-MM-DD)'; that of 'Unreleased' becomes it")
    return section[1].strip() + "\n"


if __name__ == "__main__":
    print(notes(sys.argv[1] if len(sys.argv) > 1 else ""), end="")
