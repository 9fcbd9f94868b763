import os
import pty
import subprocess
import sys

import pytest

from gateway.cli.init_command import gateway_file
from gateway.config import starters
from gateway.config.trunk_profiles import names
from tests.cli.test_main import run


def test_files_that_are_good_are_written_and_never_over_others(tmp_path):
    new = tmp_path / "new"
    done = run("init", str(new), "--trunk", "sipgate", "--provider", "xai", "--company", "Garden House")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"put SIPGATE_PASSWORD, XAI_API_KEY into {new / '.env'}, then: gateway check -c" in done.stdout
    assert (new / ".env").stat().st_mode & 0o777 == 0o600
    unfilled = run("check", "-c", str(new / "gateway.yaml"))
    assert unfilled.returncode == 2
    assert "has no XAI_API_KEY, or it is empty; nor is it in .env beside the gateway's file" in unfilled.stderr
    secrets = (new / ".env").read_text()
    (new / ".env").write_text(secrets.replace("_PASSWORD=", "_PASSWORD=hush").replace("_KEY=", "_KEY=hush"))
    assert "good" in run("check", "-c", str(new / "gateway.yaml")).stdout
    for path in ("gateway.yaml", "agents/reception.yaml", ".env"):
        (new / path).write_text("mine")
        again = run("init", str(new), "--trunk", "twilio")
        assert (again.returncode, (new / path).read_text()) == (2, "mine")
        assert "is there already, and stays as it is" in again.stderr
        (new / path).unlink()


def test_without_options_and_without_a_terminal_it_is_a_gateway_for_telephones_nearby(tmp_path):
    done = run("init", str(tmp_path))
    assert done.returncode == 0
    assert "gateway phone sip:reception@127.0.0.1" in done.stdout
    assert "good, with 1 warning" in run("check", "-c", str(tmp_path / "gateway.yaml")).stdout


def test_a_redis_with_a_password_is_a_secret_and_still_found(tmp_path):
    url = "redis://:hush@127.0.0.1:6390/3"
    assert run("init", str(tmp_path), "--redis", url).returncode == 0
    assert "hush" not in (tmp_path / "gateway.yaml").read_text()
    assert f"GATEWAY_REDIS_URL={url}" in (tmp_path / ".env").read_text()
    (tmp_path / ".env").write_text("GATEWAY_REDIS_URL=nonsense\n")
    refused = run("check", "-c", str(tmp_path / "gateway.yaml"))
    assert (refused.returncode, "GATEWAY_REDIS_URL: " in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--trunk", "twillio"), "--trunk: there is no profile 'twillio'; these are: 3cx, "),
        (("--provider", "opnai"), "did you mean openai?"),
        (("--company", "{{caller}}"), "--company: '{{caller}}' cannot stand in the agent's text"),
        (("--public-host", "10.0.0.256"), "--public-host: '10.0.0.256' is no address and no host's name"),
        (("--redis", "http://x"), "--redis: has to begin with redis://"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, arguments, says):
    done = run("init", str(tmp_path), *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_on_a_terminal_it_asks_five_questions_and_again_after_a_wrong_answer(tmp_path):
    main, terminal = pty.openpty()
    command = [sys.executable, "-m", "gateway.cli.main", "init", str(tmp_path / "new"), "--company", "Garden House"]
    asking = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    seen = b""
    for expected, answer in (
        (b"Who brings the calls?", b"acme\n"),
        (b"there is no profile 'acme'", b""),
        (b"[none]:", b"\n"),
        (b"Who speaks?", b"openai\n"),
        (b"behind NAT?", b"auto\n"),
        (b"Where is Redis?", b"\n"),
    ):
        while expected not in seen:
            seen += os.read(main, 1024)
        seen = seen.partition(expected)[2]
        if answer:
            os.write(main, answer)
    while True:
        try:
            chunk = os.read(main, 1024)
        except OSError:  # the terminal is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(main)
    assert asking.wait(20) == 0
    assert b"Whom do callers reach" not in seen  # an option said it
    text = (tmp_path / "new" / "gateway.yaml").read_text()
    assert "public_host: auto" in text
    assert "wss://api.openai.com/v1/realtime" in text
    assert "Garden House" in (tmp_path / "new" / "agents" / "reception.yaml").read_text()


@pytest.mark.parametrize("name", names())
def test_each_file_says_what_it_was_tried_with_and_where_to_read_more(name):
    lines = gateway_file(name).splitlines()
    assert lines[0].startswith("# A gateway for ")
    assert "ever run against" in lines[1] or lines[1].startswith("# Run against") or "was not" in lines[1]
    assert f"docs/trunks/{name}.md" in lines[2]


def test_every_provider_can_be_had_with_a_trunk():
    for name in starters.names():
        text = gateway_file("telnyx", name)
        assert text.index("trunks:") < text.index("routes:")
        assert (f"  {name}:\n    url:" in text) == (name != "local")
