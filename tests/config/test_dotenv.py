import os

import pytest

from gateway.config.dotenv import _taken, read_dotenv
from gateway.errors import ConfigError


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    monkeypatch.delenv("KEY_ONE", raising=False)
    yield
    for name in _taken:
        os.environ.pop(name, None)
    _taken.clear()


def test_the_environment_stands_above_the_file_and_what_changes_there_is_taken_up(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY_TWO", "from outside")
    monkeypatch.setenv("KEY_THREE", "")  # as Compose passes on what is not set
    file = tmp_path / ".env"
    file.write_text("# secrets\nKEY_ONE=one\nexport KEY_TWO='two'\nKEY_THREE=\"a # b\"  # quoted\nKEY_FOUR=\n\n")
    read_dotenv(file)
    assert [os.environ.get(f"KEY_{one}") for one in ("ONE", "TWO", "THREE", "FOUR")] == [
        "one",
        "from outside",
        "a # b",
        None,
    ]
    file.write_text("KEY_ONE=another\n")
    read_dotenv(file)
    assert (os.environ["KEY_ONE"], os.environ.get("KEY_THREE")) == ("another", None)
    file.unlink()
    read_dotenv(file)
    assert "KEY_ONE" not in os.environ


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"KEY_ONE=one\nnonsense\n", ":2: is not NAME=VALUE"),
        (b"KEY_ONE: one\n", ":1: is not NAME=VALUE"),
        (b"KEY_ONE=\xff\n", ": cannot be read: is no UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_nothing_is_taken(tmp_path, content, says):
    file = tmp_path / ".env"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_dotenv(file)
    assert str(error.value) == f"{file}{says}"
    assert "KEY_ONE" not in os.environ


def test_a_folder_of_that_name_is_said_to_be_one(tmp_path):
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        read_dotenv(tmp_path / ".env")
