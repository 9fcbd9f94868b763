import re

import httpx
from fastapi import FastAPI

from gateway.api import pages
from gateway.api.pages import FOLDER


def test_every_script_that_is_named_is_there_and_nothing_comes_from_elsewhere():
    named = set()
    for page in FOLDER.glob("*.html"):
        named |= set(re.findall(r'/dashboard/([\w.]+)"', page.read_text()))
    for script in FOLDER.glob("*.js"):
        text = script.read_text()
        named |= {name for name in re.findall(r'from "\./([\w.]+)"', text)}
        assert "innerHTML" not in text, "what comes from a call is never taken as HTML"
    assert named == {path.name for path in FOLDER.iterdir() if path.suffix != ".html"}
    for path in FOLDER.iterdir():
        assert not re.findall(r"(?:src|href|import|url)\W{1,3}https?://", path.read_text()), path.name


async def test_the_description_of_the_api_has_all_its_parts_here():
    api = FastAPI()
    pages.install(api)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://here") as http:
        page = await http.get("/docs")
        assert page.status_code == 200
        for part in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
            answer = await http.get(part)
            assert (part, answer.status_code) == (part, 200)
            assert "default-src 'self'" in answer.headers["content-security-policy"]
