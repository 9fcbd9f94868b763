"""The unit file and what stands beside it, as systemd reads them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def run(*arguments):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


def put(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def test_the_unit_is_well_formed_and_hardened(tmp_path):
    unit = tmp_path / "etc/systemd/system/gateway.service"
    put(unit, (FOLDER / "gateway.service").read_text())
    for program in ("opt/gateway/bin/gateway", "bin/kill"):
        put(tmp_path / program, "#!/bin/sh\n", 0o755)
    for target in ("network-online.target", "multi-user.target", "redis-server.service", "sysinit.target"):
        put(
            tmp_path / "usr/lib/systemd/system" / target,
            "[Service]\nExecStart=/bin/kill\n" if "service" in target else "",
        )
    found = run("systemd-analyze", "verify", "--recursive-errors=no", f"--root={tmp_path}", "gateway.service")
    assert (found.returncode, found.stdout + found.stderr) == (0, "")
    unit.write_text(unit.read_text() + "\n[Service]\nKillMoode=mixed\n")
    found = run("systemd-analyze", "verify", "--recursive-errors=no", f"--root={tmp_path}", "gateway.service")
    assert "KillMoode" in found.stderr  # it does read this file
    rated = run("systemd-analyze", "security", "--offline=true", "--threshold=20", FOLDER / "gateway.service")
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: folders are given to the user")
def test_the_user_and_the_folders_are_made(tmp_path):
    (tmp_path / "etc").mkdir()
    put(tmp_path / "usr/lib/sysusers.d/gateway.conf", (FOLDER / "gateway.sysusers").read_text())
    made = run("systemd-sysusers", f"--root={tmp_path}", "gateway.conf")
    assert made.returncode == 0, made.stderr
    (line,) = (tmp_path / "etc/passwd").read_text().splitlines()
    name, _, uid, _, _, home, _ = line.split(":")
    assert (name, home) == ("gateway", "/var/lib/gateway")
    secrets = tmp_path / "etc/gateway/.env"
    put(secrets, "KEY=x\n")
    put(tmp_path / "usr/lib/tmpfiles.d/gateway.conf", (FOLDER / "gateway.tmpfiles").read_text())
    made = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "gateway.conf")
    assert (made.returncode, made.stderr) == (0, "")
    assert (secrets.stat().st_mode & 0o777, secrets.stat().st_uid) == (0o600, 0)
    folder = (tmp_path / "var/lib/gateway").stat()
    assert (folder.st_mode & 0o777, folder.st_uid) == (0o750, int(uid))
    assert (tmp_path / "etc/gateway").stat().st_uid == 0  # the service reads its file and cannot write it
