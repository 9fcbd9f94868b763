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
Axe = pytest.importorskip("axe_playwright_python.async_playwright").Axe
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

METERS = """() => {
    window.agentMeters = [];
    new MutationObserver(changes => changes.forEach(({target}) => {
        if (target.matches(".meter.agent i")) agentMeters.push(target.style.transform);
    })).observe(document.body, {subtree: true, attributeFilter: ["style"]});
}"""
"""Writes down each level of an agent that a page shows."""


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
    try:
        yield
    finally:
        task.cancel()


async def accessible(page):
    """What axe finds wrong with a page as it stands: nothing."""
    found = await Axe().run(page)
    wrong = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found.response["violations"]]
    assert wrong == [], wrong


async def press(page, *keys):
    for key in keys:
        await page.keyboard.press(key)


async def focused(page):
    return await page.evaluate("document.activeElement.textContent || document.activeElement.name")


async def tab_to(page, name):
    """By the keyboard alone."""
    for _ in range(60):
        if (await focused(page)).strip() == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


async def test_live_calls_a_calls_page_and_past_calls(tmp_path):
    settings = settings_for(tmp_path, {"eve": AGENT}, recordings=str(tmp_path / "tapes"))
    async with (
        running(settings) as (gateway, events),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/", accept_downloads=True) as page,
    ):
        await page.get_by_text("Nobody is on the telephone.").wait_for()
        assert await page.title() == "Live calls · voice-agent-gateway"
        await page.locator("#link", has_text="live").wait_for()
        await page.evaluate(METERS)
        async with Caller(gateway.sip_port) as call, Caller(gateway.sip_port, user="sales") as other:
            assert await call.invite() == 200
            assert await other.invite() == 200
            call_id = gateway.switchboard.calls[0].info.call_id
            row = page.locator(f"tr[data-call={call_id}]")
            await row.wait_for()  # by an event, without a reload
            assert await row.locator(".state").first.inner_text() == "answered"
            async with talking(other):
                async with talking(call), asyncio.timeout(15):
                    while len(set(await page.evaluate("window.agentMeters"))) <= 3:  # levels move
                        await asyncio.sleep(0.1)
                await call.silence(3)  # until the greeting has ended
                await row.locator(".words", has_text="Agent: Hello, this is the clerk.").wait_for()
                await page.reload()
                await row.locator(".words", has_text="Agent: Hello, this is the clerk.").wait_for()  # on load, too
                await accessible(page)
                await call.talk(narrowband("what are your opening hours"))
                await call.silence(2.0)
                await row.locator(".words", has_text="Agent: We are open from nine to five.").wait_for()
                await page.set_viewport_size({"width": 1200, "height": 420})
                await picture(page, "live")
                await call.silence(3)
                await row.get_by_role("link").click()
                await page.get_by_role("slider", name="Moment of the call").wait_for()
                assert "caller" in await page.locator("main h2").inner_text()
                assert "caller to reception" in await page.title()
                assert await page.locator(".dots .tool").count() >= 1
                assert await page.locator("svg path.agent").get_attribute("d")
                await page.locator("ol.talk", has_text='set_disposition({"disposition":"open"})').wait_for()
                await page.locator("ol.talk li.tool", has_text="noted").wait_for()
                async with talking(call):
                    await page.get_by_role("button", name="Say", exact=True).click()
                    await page.get_by_label("Words").fill("One <b>moment</b>, please.")
                    await page.get_by_role("dialog").get_by_role("button", name="Say").click()
                    await page.locator("ol.talk", has_text="One <b>moment</b>, please.").wait_for()  # as text
                    await page.get_by_role("button", name="Hold").click()
                    await page.get_by_role("button", name="Take back").wait_for()
                    await page.locator(".badges", has_text="on hold").wait_for()
                    await page.locator(".outcome", has_text="The caller is on hold.").wait_for()
                    await accessible(page)
                    await picture(page, "call-live")
                    await page.get_by_role("button", name="Take back").click()
                    await page.locator(".outcome", has_text="The caller is back.").wait_for()
                    await page.get_by_role("button", name="Hang up").click()
                    await page.keyboard.press("Escape")  # asked first, and taken back
                    assert "ended" not in [kind for kind, _ in events]
                    await page.get_by_role("button", name="Hang up").click()
                    await page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
                    await page.get_by_text("hung_up_by_request").first.wait_for()
                    await page.locator(".outcome", has_text="The call was ended.").wait_for()
                await page.locator("audio").wait_for()
                await until(page, "document.querySelector('audio').duration > 3")
                await a_recording_is_sought_by_the_picture_and_by_what_was_said(page)
                await page.get_by_text("SIP messages").click()
                await page.locator("ol.ladder summary", has_text="INVITE (SDP)").first.click()
                await page.locator("ol.ladder pre", has_text="INVITE sip:").first.wait_for()
                async with page.expect_download() as saved:
                    await page.get_by_role("button", name="Download pcap").click()
                kept = await (await saved.value).path()
                assert kept.read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
                await accessible(page)
                await picture(page, "call-ended")
            other.bye()
            await other.silence(0.2)
        await page.get_by_role("link", name="Past calls").click()
        await page.get_by_label("Caller, called, agent or id").fill(call_id)
        await page.get_by_label("Outcome").select_option("hung_up_by_request")
        await page.keyboard.press("Enter")
        await until(page, "location.hash.includes('outcome=hung_up_by_request')")
        await until(page, "document.querySelectorAll('main tbody tr').length === 1")
        await page.reload()  # what is looked for stands in the address
        await until(page, "document.querySelectorAll('main tbody tr').length === 1")
        assert await page.get_by_label("Outcome").input_value() == "hung_up_by_request"
        async with page.expect_download() as saved:
            await page.get_by_role("button", name="Export as CSV").click()
        lines = (await (await saved.value).path()).read_text().splitlines()
        assert (len(lines), lines[1].startswith(call_id)) == (2, True)
        await page.get_by_label("To", exact=True).fill("2020-01-01")
        await page.get_by_role("button", name="Search").click()
        await page.get_by_text("None was found.").wait_for()
        await accessible(page)
        await page.get_by_role("button", name="Clear").click()
        await until(page, "document.querySelectorAll('main tbody tr').length === 2")
        await picture(page, "history")
        for name, expected in (("Agents", "eve"), ("Trunks", "Nobody is banned."), ("Nodes", "(this one)")):
            await page.get_by_role("link", name=name).click()
            await page.locator("main h2", has_text=name).wait_for()
            await page.locator("main", has_text=expected).wait_for()
            assert (await page.title()).startswith(name)
            await accessible(page)
        await page.get_by_role("button", name="Drain").click()
        await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        await page.locator("main", has_text="draining").first.wait_for()
        await page.locator("#told", has_text="takes no new calls").wait_for()
        await picture(page, "nodes")
        await page.goto(f"http://127.0.0.1:{port}/#/calls/{call_id}")
        await page.get_by_role("button", name="Erase this call").click()
        await page.get_by_role("dialog").get_by_role("button", name="Erase").click()
        await until(page, "location.hash === '#/history'")
        assert not (tmp_path / "tapes" / f"{call_id}.wav").exists()


async def a_recording_is_sought_by_the_picture_and_by_what_was_said(page):
    plot = page.get_by_role("slider", name="Moment of the call")
    box = await plot.bounding_box()
    await page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 20)
    assert (
        "dBm0" in await page.locator(".readout").inner_text() or "silent" in await page.locator(".readout").inner_text()
    )
    await plot.click(position={"x": box["width"] / 2, "y": 30})
    await until(page, "document.querySelector('audio').currentTime > 1")
    await until(page, "document.querySelector('ol.talk li[aria-current]') !== null")
    await plot.focus()
    before = await page.evaluate("document.querySelector('audio').currentTime")
    await press(page, "ArrowRight")
    await until(page, f"Math.abs(document.querySelector('audio').currentTime - {before} - 1) < 0.1")
    await press(page, "Home", "PageDown")  # from mark to mark
    if "recording begins" in await plot.get_attribute("aria-valuetext"):  # a moment after the beginning, or with it
        await press(page, "PageDown")
    assert "tool at" in await plot.get_attribute("aria-valuetext")
    await page.locator("ol.talk li.user button").first.click()
    spoken = await page.evaluate("document.querySelector('audio').currentTime")
    text = await page.locator("ol.talk li.user").first.inner_text()
    assert "opening hours" in text.lower()
    assert spoken > 2  # when the caller began, and not when the words came


async def test_every_dialog_and_the_sign_in_by_the_keyboard_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "the-key")
    settings = settings_for(tmp_path, {"eve": PLAIN + "transcription: {model: local}\n"},
                            http={"port": 0, "auth": "always", "admin_key_env": "ADMIN"})  # fmt: skip
    async with (
        running(settings) as (gateway, events),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/#/nodes") as page,
    ):
        await page.get_by_role("heading", name="Sign in").wait_for()
        await accessible(page)
        await picture(page, "sign-in")
        assert await page.title() == "Sign in · voice-agent-gateway"
        await page.keyboard.type("gw_wrong_key")
        await page.keyboard.press("Enter")
        await page.get_by_role("alert").filter(has_text="this key is not known").wait_for()
        await page.keyboard.type("the-key")  # what was there is selected
        await page.keyboard.press("Enter")
        await page.get_by_text("(this one)").wait_for()  # the page that was asked for
        await page.reload()
        await page.get_by_text("(this one)").wait_for()  # the tab keeps the key
        async with Caller(gateway.sip_port, refer_status=603) as call, talking(call):
            assert await call.invite() == 200
            await tab_to(page, "Live calls")
            await page.keyboard.press("Enter")
            await page.locator("tr[data-call]").wait_for()
            ring = await page.evaluate("getComputedStyle(document.getElementById('main')).outlineStyle")
            assert ring == "none"  # no frame around the page after a key
            await tab_to(page, "caller")
            await page.keyboard.press("Enter")
            await page.get_by_role("button", name="Hang up").wait_for()

            async def by_keys(button, typed, kind, outcome):
                before = len([one for one, _ in events if one == kind])
                await tab_to(page, button)
                await page.keyboard.press("Enter")
                await page.get_by_role("dialog").wait_for()
                await accessible(page)
                await page.keyboard.type(typed)
                await page.keyboard.press("Enter")
                await page.locator(".outcome", has_text=outcome).wait_for()
                assert len([one for one, _ in events if one == kind]) == before + 1
                assert await focused(page) == button  # back where one was

            await by_keys("Say", "One moment", "say", "The agent said: One moment")
            await by_keys("Tell the model", "They are a customer", "injected", "The model knows.")
            await by_keys("Keys", "42#", "dtmf_sent", "These keys were pressed: 42#")
            await by_keys("Transfer", "sip:nobody@127.0.0.1:9", "transfer_failed", "failed: 603 Whatever")
            assert "The caller is with the agent again." in await page.locator(".outcome").inner_text()
            await picture(page, "transfer-failed")
            await tab_to(page, "Record")
            await page.keyboard.press("Enter")
            says = "Nothing is recorded: the gateway has no folder for it: set recordings"
            await page.locator(".outcome.bad", has_text=says).wait_for()
            await page.get_by_role("button", name="Record", exact=True).wait_for()
            await tab_to(page, "Transfer")
            await press(page, "Enter", "Escape")
            assert len([one for one, _ in events if one == "transfer_started"]) == 1
            await tab_to(page, "Hang up")
            await press(page, "Enter")
            await page.get_by_role("dialog").wait_for()
            await press(page, "Enter")
            await page.locator(".outcome", has_text="The call was ended.").wait_for()
        await tab_to(page, "Sign out")
        await press(page, "Enter")
        await page.get_by_role("heading", name="Sign in").wait_for()
        await page.reload()
        await page.get_by_role("heading", name="Sign in").wait_for()


async def test_a_live_page_changes_in_place(tmp_path):
    async with (
        running(settings_for(tmp_path, {"eve": PLAIN})) as (gateway, _),
        api.serve(gateway) as port,
        browser() as chromium,
        Caller(gateway.sip_port) as call,
        talking(call),
    ):
        assert await call.invite() == 200
        call_id = gateway.switchboard.calls[0].info.call_id
        async with page_of(chromium, f"http://127.0.0.1:{port}/#/calls/{call_id}") as page:
            await page.get_by_text("SIP messages").click()
            await page.locator("ol.ladder summary", has_text="INVITE").first.click()
            await page.locator("summary", has_text=" events").click()
            await page.get_by_role("button", name="Mute caller").focus()
            await page.evaluate("window.marked = document.querySelector('ol.ladder pre'); marked.tagged = true")
            call.reoffer("sendonly")
            await page.locator(".badges", has_text="held by the caller").wait_for()
            await page.locator("ol.talk", has_text="The caller's telephone holds the call.").wait_for()
            assert await page.locator(".dots .hold").count() == 1
            assert await page.locator("svg .onhold").count() == 1
            await page.locator("ol.ladder summary", has_text="ACK").nth(1).wait_for()  # the ladder grows
            assert await page.evaluate("window.marked.isConnected && window.marked.closest('details').open")
            assert await focused(page) == "Mute caller"
            call.reoffer("sendrecv")
            await until(page, "!document.querySelector('.badges').textContent.includes('held')")
            await picture(page, "in-place")


async def test_who_may_only_look_sees_no_buttons_and_a_small_dark_screen_is_enough(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "the-key")
    settings = settings_for(tmp_path, {"eve": PLAIN}, http={"port": 0, "auth": "always", "admin_key_env": "ADMIN"})
    phone = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark"}
    async with (
        running(settings) as (gateway, _),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/", **phone) as page,
    ):
        _, key = await gateway.store.access.add_key("wall", "read", 0.0)
        await page.get_by_label("API key").fill(key)
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("Nobody is on the telephone.").wait_for()
        await page.locator("#who", has_text="wall (read)").wait_for()
        async with Caller(gateway.sip_port) as call:
            assert await call.invite() == 200
            await call.silence(1.5)
            await page.locator("tr[data-call]").wait_for()
            await picture(page, "phone-dark")
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing is cut off
            background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == "rgb(20, 23, 26)"
            await page.reload()
            await page.locator("tr[data-call]").wait_for()
            await press(page, "Tab")
            assert await focused(page) == "Skip to content"
            async with talking(call):
                for name in ("Live calls", "Past calls", "Agents", "Trunks", "Nodes"):
                    await page.get_by_role("link", name=name).click()
                    await page.locator("main h2", has_text=name).wait_for()
                    assert await page.evaluate("document.documentElement.scrollWidth") <= 390, name
                    await accessible(page)
                assert await page.get_by_role("button", name="Drain").count() == 0
                await page.get_by_role("link", name="Live calls").click()
                await page.locator("tr[data-call] a").click()
                await page.get_by_role("slider").wait_for()
                assert await page.locator("main button").all_inner_texts() == [
                    name
                    for name in await page.locator("main button").all_inner_texts()
                    if ":" in name or name == "Download pcap" or not name
                ]
                assert await page.evaluate("document.documentElement.scrollWidth") <= 390
                await accessible(page)
                await picture(page, "phone-call")
            call.bye()


async def test_the_description_of_the_api_is_read_and_tried_without_the_internet(tmp_path, monkeypatch):
    monkeypatch.setenv("ADMIN", "the-key")
    settings = settings_for(tmp_path, {"eve": PLAIN}, http={"port": 0, "auth": "always", "admin_key_env": "ADMIN"})
    async with (
        running(settings) as (gateway, _),
        api.serve(gateway) as port,
        browser() as chromium,
        page_of(chromium, f"http://127.0.0.1:{port}/") as page,
    ):
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        await page.get_by_label("API key").fill("the-key")
        await page.keyboard.press("Enter")
        await page.get_by_text("Nobody is on the telephone.").wait_for()
        await page.get_by_role("link", name="API").click()
        await page.locator("#operations-keys-get_me").get_by_role("button").first.click()
        await page.get_by_role("button", name="Try it out").click()
        await page.get_by_role("button", name="Execute").click()
        await page.locator(".live-responses-table", has_text='"role": "admin"').wait_for()
        await picture(page, "docs")
        assert all(url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:")) for url in asked), asked


async def test_the_page_has_no_foreign_parts(tmp_path):
    async with (
        running(settings_for(tmp_path, {"eve": PLAIN})) as (gateway, _),
        api.serve(gateway) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        page = await http.get("/")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for path in ("app.js", "style.css", "docs.js"):
            assert (await http.get(f"/dashboard/{path}")).headers["x-content-type-options"] == "nosniff"
        assert (await http.get("/dashboard/../app.py")).status_code == 404
        assert (await http.get("/dashboard/nothing.js")).status_code == 404
