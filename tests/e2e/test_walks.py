"""The ways of docs/architecture.md, found again in a real call: its functions, called in its order."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import gateway
from tests.caller import Caller
from tests.gatewayd import running, settings_for
from tests.speech import narrowband

pytestmark = pytest.mark.e2e

ROOT = Path(gateway.__file__).parent
PAGE = (ROOT.parent / "docs/architecture.md").read_text()
AGENT = "greeting: Hello.\ntranscription: {model: local}\nlocal: {rules: [{hears: hours, says: We are open.}]}\n"


def walk(name: str) -> list[str]:
    text = PAGE.partition(f"<!-- walk: {name} -->")[2].partition("<!-- end of walk -->")[0]
    return re.findall(r"^\d+\. `([^`]+)`", text, re.MULTILINE)


async def called(folder: Path) -> list[str]:
    """Every function of a walk that one call went through, in order, as file::name."""
    found: list[str] = []
    wanted = {hop for name in ("invite", "up", "down") for hop in walk(name)}

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(str(ROOT)):
            hop = f"{frame.f_code.co_filename[len(str(ROOT)) + 1 :]}::{frame.f_code.co_qualname}"
            if hop in wanted:
                found.append(hop)

    async with running(settings_for(folder, {"bob": AGENT})) as (node, _), Caller(node.sip_port) as call:
        sys.setprofile(note)
        try:
            assert await call.invite() == 200
            await call.until_quiet()
            await call.talk(narrowband("what are your opening hours"))
            await call.silence(1.5)
        finally:
            sys.setprofile(None)
        call.bye()
    return found


async def test_each_way_is_as_it_is_written(tmp_path):
    seen = await called(tmp_path)
    for name in ("invite", "up", "down"):
        hops, at = walk(name), 0
        assert len(hops) >= 8
        for hop in hops:
            assert hop in seen[at:], f"{name}: {hop} does not follow"
            at = seen.index(hop, at) + 1


def test_every_file_that_is_named_is_there():
    for name in re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)(?:::[\w.]+)?`", PAGE):
        places = (ROOT, ROOT.parent, ROOT / "bridge/call", ROOT / "realtime/openai", ROOT.parent / "tests")
        assert any((place / name).exists() for place in places), name
