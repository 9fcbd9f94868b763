import pytest

from gateway.cli.init_command import gateway_file
from gateway.config.trunk_profiles import names
from tests.cli.test_main import run


def test_a_file_that_is_good_is_written_and_never_over_another(tmp_path, monkeypatch):
    monkeypatch.setenv("SIPGATE_PASSWORD", "x")
    done = run("init", str(tmp_path / "new"), "--trunk", "sipgate")
    assert done.returncode == 0
    assert "set SIPGATE_PASSWORD in the environment, then: gateway check -c" in done.stdout
    file = tmp_path / "new" / "gateway.yaml"
    assert "good" in run("check", "-c", str(file)).stdout
    file.write_text("mine")
    again = run("init", str(tmp_path / "new"), "--trunk", "twilio")
    assert (again.returncode, file.read_text()) == (2, "mine")
    assert "is there already, and stays as it is" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--trunk: is missing; there are: 3cx, "),
        (("--trunk", "twillio"), "did you mean twilio?"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, arguments, says):
    done = run("init", str(tmp_path), *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", names())
def test_each_file_says_what_it_was_tried_with_and_where_to_read_more(name):
    lines = gateway_file(name).splitlines()
    assert lines[0].startswith("# A gateway for ")
    assert "ever run against" in lines[1] or lines[1].startswith("# Run against") or "was not" in lines[1]
    assert f"docs/trunks/{name}.md" in lines[2]
