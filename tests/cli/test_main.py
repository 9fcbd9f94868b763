"""The command line as a person uses it: in a process of its own, and what it prints."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from gateway import __version__
from tests.gatewayd import free_port

GATEWAY = Path(sys.executable).parent / "gateway"
GOOD = "agents: agents\nroutes:\n  - agent: bob\n"


def run(*arguments, **options):
    done = subprocess.run([GATEWAY, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "bob.yaml").write_text("greeting: Hello.\n")
    (tmp_path / "gateway.yaml").write_text(GOOD)
    return tmp_path


def test_version_and_help():
    assert run("--version").stdout.startswith(f"voice-agent-gateway {__version__}")
    for command in ("demo", "serve", "check", "phone", "local"):
        assert command in run("--help").stdout


def test_help_is_short_and_needs_nothing_that_is_heavy():
    assert run("-h").stdout == run("--help").stdout
    assert "--install-completion" in run("-h").stdout
    assert "Usage: gateway phone" in run("phone", "-h").stdout
    code = "import sys, gateway.cli.main; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pydantic", "fastapi", "redis", "httpx", "asyncio", "structlog"} & set(loaded)


def test_completion_of_a_shell():
    chosen = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = run("--show-completion", "bash", env=chosen).stdout
    assert "_GATEWAY_COMPLETE=complete_bash" in script


def test_check_says_good_or_what_is_wrong_line_by_line(folder):
    assert "good" in run("check", "-c", str(folder / "gateway.yaml")).stdout
    (folder / "gateway.yaml").write_text(GOOD + "sip: {host: 0.0.0.0}\n")
    warned = run("check", "-c", str(folder / "gateway.yaml"))
    assert warned.returncode == 0
    assert "good" in warned.stdout
    assert "only this machine and private networks may call" in warned.stderr
    (folder / "gateway.yaml").write_text(GOOD + "sip:\n  prot: 1\n  port: x\nhttp: 5\n")
    wrong = run("check", "-c", str(folder / "gateway.yaml"))
    assert wrong.returncode == 2
    lines = wrong.stderr.strip().splitlines()
    assert [line.split("gateway.yaml:")[1].partition(":")[0] for line in lines] == ["5", "6", "7"]
    (folder / "gateway.yaml").write_text(GOOD)
    (folder / "agents" / "bob.yaml").write_text("greetings: Hello.\n")
    assert "bob.yaml:1: greetings: there is no such key" in run("check", "-c", str(folder / "gateway.yaml")).stderr


def test_errors_are_one_line(folder):
    missing = run("serve", "-c", str(folder / "nothing.yaml"))
    assert (missing.returncode, len(missing.stderr.strip().splitlines())) == (2, 1)
    wrong = run("demo", "--sip-port", "70000")
    assert (wrong.returncode, len(wrong.stderr.strip().splitlines())) == (2, 1)
    assert "sip.port" in wrong.stderr


def test_a_port_in_use_is_named_with_the_option(folder):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "-c", str(folder / "gateway.yaml"), "--sip-port", str(port), "--http-port", "0")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--sip-port" in done.stderr


def test_serve_ends_well_on_sigterm(folder):
    command = [GATEWAY, "serve", "-c", str(folder / "gateway.yaml"), "--sip-port", str(free_port()), "--http-port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "store.available" in line:
                break
        process.send_signal(signal.SIGHUP)
        assert any("gateway.reloaded" in line for line in iter(process.stderr.readline, ""))
        process.terminate()
        rest = process.stderr.read()
        assert process.wait(20) == 0
    assert "Traceback" not in rest


def test_the_embedded_server_alone(folder):
    (folder / "agents" / "other.yaml").write_text("greeting: Hello.\n")
    command = [GATEWAY, "local", "--agents", folder / "agents", "--port", str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"GATEWAY_LOCAL_KEY": "k"}) as server:
        try:
            urls = [server.stdout.readline().strip() for _ in range(2)]
            assert [url.rpartition("=")[2] for url in urls] == ["bob", "other"]
            with pytest.raises(InvalidStatus):
                connect(urls[0])
            with connect(urls[0], additional_headers={"Authorization": "Bearer k"}) as socket:
                assert json.loads(socket.recv())["session"]["model"] == "bob"
        finally:
            server.terminate()
        assert server.wait(20) == 0


def test_a_folder_without_an_agent_for_it_is_told(folder):
    (folder / "agents" / "bob.yaml").write_text("provider: acme\n")
    wrong = run("local", "--agents", str(folder / "agents"))
    assert wrong.returncode == 2
    assert "no agent in it has the provider local" in wrong.stderr


def test_hours_say_what_is_open_and_until_when(folder):
    file = folder / "gateway.yaml"
    file.write_text(
        GOOD + 'hours:\n  shop: {timezone: Europe/Berlin, open: {mon-fri: "08:00-18:00"}, closed: [2026-12-24]}\n'
    )
    asked = run("hours", "-c", str(file), "--at", "2026-12-23T10:00", "--json")
    assert json.loads(asked.stdout)["data"] == [
        {"name": "shop", "at": "Wed 2026-12-23 10:00 CET", "open": True, "until": "Wed 2026-12-23 18:00 CET"}
    ]
    shut = run("hours", "-c", str(file), "--at", "2026-12-23T17:00Z")  # 18:00 there
    assert "closed" in shut.stdout
    assert "Fri 2026-12-25 08:00 CET" in shut.stdout
    wrong = run("hours", "-c", str(file), "--at", "Christmas")
    assert (wrong.returncode, "'Christmas' is no date and time" in wrong.stderr) == (2, True)
    file.write_text(GOOD)
    assert "has no calendars" in run("hours", "-c", str(file)).stderr
