"""The dashboard in a real Chromium: live calls, what can be done about them, a call's page, past calls, keys."""

import asyncio
import os
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway import api
from tests.caller import Caller
from tests.gatewayd import running, settings_for
from tests.speech import narrowband

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

AGENT = """
greeting: Hello, this is the clerk. How can I help you today?
transcription: {model: local}
recording: {start: answer}
tools: [set_disposition]
dispositions: [open, solved]
local:
  rules:
    - hears: opening hours
      then: We are open from nine to five.
      calls: set_disposition
      arguments: {disposition: open}
"""
PLAIN = "greeting: Hello.\n"
PICTURES = os.environ.get("GATEWAY_TEST_PICTURES", "")
"""A folder for screenshots, where they are wanted."""


@asynccontextmanager
async def browser():
    async with playwright.async_playwright() as started:
        chromium = await started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        await chromium.close()


@asynccontextmanager
async def page_of(chromium, url, **options):
    """A page that fails the test where its console has an error."""
    context = await chromium.new_context(**options)
    page, errors = await context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(15000)
    await page.goto(url)
    yield page
    await context.close()
    assert [error for error in errors if "401" not in error] == []


async def picture(page, name):
    if PICTURES:
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


async def until(page, expression):
    """The page's own policy forbids it to wait for an expression."""
    async with asyncio.timeout(15):
        while not await page.evaluate(expression):
            await asyncio.sleep(0.1)


@asynccontextmanager
async def talking(call):
    """Keeps a caller on the line."""

    async def stay():
        while True:
            await call.silence(0.2)

    task = asyncio.create_task(stay())
    yield
    task.cancel()


async def test_live_calls_a_calls_page_and_past_calls(tmp_path):
    settings = settings_for(tmp_path, {"eve": AGENT}, recordings=str(tmp_path / "tapes"))
    async with (
        running(settings) as (gateway, events),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/") as page,
    ):
        await page.get_by_text("Nobody is on the telephone.").wait_for()
        await page.locator("#link", has_text="live").wait_for()
        async with Caller(gateway.sip_port) as call, Caller(gateway.sip_port, user="sales") as other:
            assert await call.invite() == 200
            assert await other.invite() == 200
            call_id = gateway.switchboard.calls[0].facts.call_id
            row = page.locator(f"tr[data-call={call_id}]")
            await row.wait_for()  # by an event, without a reload
            assert await row.locator(".state").inner_text() == "answered"
            await call.silence(2.5)
            moving = row.locator(".meter.agent i")
            styles = set()
            async with talking(other):
                for _ in range(12):
                    styles.add(await moving.get_attribute("style"))
                    await call.silence(0.25)
                await row.locator(".words", has_text="Agent: Hello, this is the clerk.").wait_for()
                assert len(styles) > 3, styles  # levels move
                await call.talk(narrowband("what are your opening hours"))
                await call.silence(2.0)
                await row.locator(".words", has_text="Agent: We are open from nine to five.").wait_for()
                await page.set_viewport_size({"width": 1200, "height": 420})
                await picture(page, "live")
                await call.silence(3)
                await row.get_by_role("link").click()
                await page.get_by_role("img", name="Timeline of").wait_for()
                assert "caller" in await page.locator("main h2").inner_text()
                assert await page.locator("svg .tool").count() >= 1
                assert await page.locator("svg path.agent").get_attribute("d")
                async with talking(call):
                    await page.get_by_role("button", name="Say", exact=True).click()
                    await page.get_by_label("Words").fill("One <b>moment</b>, please.")
                    await page.get_by_role("dialog").get_by_role("button", name="Say").click()
                    await page.locator("ol.talk", has_text="One <b>moment</b>, please.").wait_for()  # as text
                    await page.get_by_role("button", name="Hold").click()
                    await page.get_by_role("button", name="Take back").wait_for()
                    await picture(page, "call-live")
                    await page.get_by_role("button", name="Take back").click()
                    await page.get_by_role("button", name="Hang up").click()
                    await page.keyboard.press("Escape")  # asked first, and taken back
                    assert "ended" not in [kind for kind, _ in events]
                    await page.get_by_role("button", name="Hang up").click()
                    await page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
                    await page.get_by_text("hung_up_by_request").first.wait_for()
                await page.locator("audio").wait_for()
                await until(page, "document.querySelector('audio').duration > 3")
                await page.get_by_text("SIP messages").click()
                await page.locator("pre", has_text="INVITE sip:").first.wait_for()
                await picture(page, "call-ended")
            other.bye()
            await other.silence(0.2)
        await page.get_by_role("link", name="Past calls").click()
        await page.get_by_label("Caller, called, agent or id").fill(call_id)
        await page.get_by_role("button", name="Search").click()
        await until(page, "document.querySelectorAll('main tbody tr').length === 1")
        await picture(page, "history")
        for name, expected in (("Agents", "eve"), ("Trunks", "whoever calls is answered"), ("Nodes", "(this one)")):
            await page.get_by_role("link", name=name).click()
            await page.locator("main", has_text=expected).wait_for()
        await page.get_by_role("button", name="Drain").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        await page.locator("main", has_text="draining").first.wait_for()
        await picture(page, "nodes")


async def test_a_key_is_asked_for_and_a_small_dark_screen_is_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "the-key")
    settings = settings_for(tmp_path, {"eve": PLAIN}, http={"port": 0, "auth": "always", "admin_key_env": "ADMIN"})
    phone = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark"}
    async with (
        running(settings) as (gateway, _),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/", **phone) as page,
    ):
        await page.get_by_role("textbox", name="Key").fill("the-key")
        await page.get_by_role("button", name="Use it").click()
        await page.get_by_text("Nobody is on the telephone.").wait_for()
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.silence(1.5)
            await page.locator("tr[data-call]").wait_for()
            await picture(page, "phone-dark")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing is cut off
            background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == "rgb(20, 23, 26)"
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
            call.bye()


async def test_the_page_has_no_foreign_parts(tmp_path):
    async with (
        running(settings_for(tmp_path, {"eve": PLAIN})) as (gateway, _),
        api.serve(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        page = await http.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for path in ("app.js", "style.css"):
            assert (await http.get(f"/dashboard/{path}")).headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/dashboard/../app.py")).status_code == 404
        assert (await http.get("/dashboard/nothing.js")).status_code == 404
