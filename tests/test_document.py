from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.document import Section, fill, load, read, section_of
from gateway.errors import ConfigError


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(default=1, ge=0)


class File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    rows: list[Row] = []


def test_a_good_file():
    assert load("f", "name: x\nrows:\n  - {size: 2}\n", File.model_validate).rows[0].size == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: []\n", "f:1: name: is missing"),
        (
            "name: x\nrows:\n  - size: 1\n  - size: -4\n",
            "f:4: rows.1.size: has to be at least 0, not -4",
        ),
        ("name: x\nrows:\n  - size: 1\n    colour: red\n", "f:4: rows.0.colour: there is no such key"),
        ("name: x\nname: y\n", "f:2: not valid YAML: the key 'name' stands there twice"),
        ("name: [\n", "f:2: not valid YAML"),
        ("name: x\n\tb: 1\n", "f:2: not valid YAML"),
        ("just text\n", "f:1: it has to be a mapping"),
        ("", "name: is missing"),
        ("name: !!python/object:os.system x\n", "f:1: not valid YAML"),
    ],
)
def test_errors_name_the_line(text, message):
    with pytest.raises(ConfigError) as caught:
        load("f", text, File.model_validate)
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xff")
    for name in ("nothing", "latin"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read(tmp_path / name)


@dataclass(frozen=True)
class Line:
    """A line to somewhere."""

    name: str
    server: Path | None = None
    calls: Annotated[int, Field(ge=0)] = 3
    headers: tuple[str, ...] = field(default_factory=tuple)
    password: str = ""


def test_a_section_of_a_file_is_the_settings_but_for_what_is_written_otherwise():
    made = section_of(Line, Section, {"server": (str, ""), "password": None, "password_env": (str, "")})
    row = made.model_validate({"name": "a", "calls": 5})
    assert (row.server, row.calls, row.headers, row.password_env) == ("", 5, (), "")
    assert made.__doc__ == "A line to somewhere."
    for wrong in ({}, {"name": "a", "calls": -1}, {"name": "a", "password": "x"}):
        with pytest.raises(ValidationError):
            made.model_validate(wrong)
    assert fill(Line, row, server=None, password="secret") == Line("a", None, 5, (), "secret")


def test_of_two_sections_the_later_one_counts():
    class One(Section):
        name: str = "one"
        calls: int = 1

    class Two(Section):
        calls: int = 2

    assert fill(Line, One(), Two()) == Line("one", calls=2)
