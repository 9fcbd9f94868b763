import pytest
from pydantic import BaseModel, ConfigDict, Field

from gateway.document import load, read
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
