import re

from gateway.api.pages import FOLDER


def test_every_script_that_is_named_is_there_and_nothing_comes_from_elsewhere():
    named = set(re.findall(r'/dashboard/([\w.]+)"', (FOLDER / "index.html").read_text()))
    for script in FOLDER.glob("*.js"):
        text = script.read_text()
        named |= {name for name in re.findall(r'from "\./([\w.]+)"', text)}
        assert "innerHTML" not in text, "what comes from a call is never taken as HTML"
    assert named == {path.name for path in FOLDER.iterdir()} - {"index.html"}
    for path in FOLDER.iterdir():
        assert not re.findall(r"(?:src|href|import|url)\W{1,3}https?://", path.read_text()), path.name
