"""Beside pyproject.toml, for what it cannot say: the commit that a package was made of goes into it."""

import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = Path(__file__).parent


def commit() -> str:
    """Empty where this is no checkout; a source package has it in a file."""
    known = HERE / "gateway" / "COMMIT"
    if known.exists():
        return known.read_text().strip()
    if not (HERE / ".git").exists():
        return ""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    return done.stdout.strip()


class BuildPy(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            (Path(self.build_lib) / "gateway" / "COMMIT").write_text(commit() + "\n")


class SourceDist(sdist):
    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        (Path(base_dir) / "gateway" / "COMMIT").write_text(commit() + "\n")


setup(cmdclass={"build_py": BuildPy, "sdist": SourceDist})
