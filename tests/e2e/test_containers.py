"""The files for containers: what they name is there. docs/containers.md says with what they were run, by hand."""

import re
import shutil
import subprocess

import pytest
import yaml

from gateway import config
from tests.e2e.conftest import ROOT

DEPLOY = ROOT / "deploy"
FILES = [DEPLOY / "docker" / "compose.yaml", DEPLOY / "cluster" / "compose.yaml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_what_a_compose_file_mounts_and_builds_is_there(path):
    file = yaml.safe_load(path.read_text())
    for name, service in file["services"].items():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
            if source.startswith("."):
                assert (path.parent / source).exists(), f"{name}: {source}"
            else:
                assert source in file["volumes"], f"{name}: {source}"
        if build := service.get("build"):
            folder = (path.parent / build["context"]).resolve()
            dockerfile = folder / build["dockerfile"]
            for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile.read_text(), re.MULTILINE):
                assert all((folder / one).exists() for one in line.split()), line
        drains = "gateway" in str(service.get("image"))
        assert ("stop_grace_period" in service) == drains, name


def test_nodes_of_one_machine_share_no_port_and_no_address():
    services = yaml.safe_load(FILES[1].read_text())["services"]
    addresses = [one["networks"]["sip"]["ipv4_address"] for one in services.values() if "sip" in one.get("networks", {})
                 and isinstance(one["networks"], dict)]  # fmt: skip
    assert len(set(addresses)) == len(addresses) == 5
    listed = (DEPLOY / "cluster" / "dispatcher.list").read_text()
    ranges = []
    for name in ("node1", "node2", "node3"):
        given = services[name]["environment"]
        assert f"sip:{services[name]['networks']['sip']['ipv4_address']}:5060" in listed
        first, last = given["GATEWAY_MEDIA_FIRST_PORT"], given["GATEWAY_MEDIA_LAST_PORT"]
        assert f"{first}-{last}:{first}-{last}/udp" in services[name]["ports"]
        ranges.append(range(first, last + 1))
    assert not set(ranges[0]) & set(ranges[1])
    assert not set(ranges[1]) & set(ranges[2])


def test_the_files_that_are_mounted_are_good(monkeypatch):
    monkeypatch.setenv("ADMIN_KEY", "0123456789abcdef")
    assert config.from_file(DEPLOY / "docker" / "config" / "gateway.yaml").embedded
    text = (DEPLOY / "cluster" / "gateway.yaml").read_text()
    (trunk,) = yaml.safe_load(text)["trunks"]
    assert trunk["peers"] == [
        yaml.safe_load(FILES[1].read_text())["services"]["kamailio"]["networks"]["sip"]["ipv4_address"]
    ]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_reads_its_files(tmp_path):
    (tmp_path / "admin_key").write_text("x")
    text = (DEPLOY / "cluster" / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("/etc/prometheus/alerts.yml", str(DEPLOY / "alerts.yml"))
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/admin_key", str(tmp_path / "admin_key")))
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout
