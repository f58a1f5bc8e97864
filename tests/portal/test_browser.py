"""What a person sees in a browser, on the real platform: from registering to a job that is paid."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.platform import Platform

PATIENCE_MS = 20_000
GROUND = {"light": "rgb(247, 247, 245)", "dark": "rgb(18, 22, 21)"}
"""The style sheet is there: without it, all is black on white and passes."""
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PASSWORD = "correct horse 7"
PAGES = [
    "/",
    "/functions",
    "/functions/new",
    "/jobs",
    "/machines",
    "/machines/enrol",
    "/balance",
    "/ledger",
    "/ledger/blocks/1",
    "/tokens",
    "/account",
    "/account/password",
    "/problems",
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the platform answers."""
    platform = Platform(tmp_path_factory.mktemp("platform"), "--slots", "2").start()
    yield platform.url
    assert platform.stop() == 0
    assert "Traceback" not in platform.log, platform.log


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium: apt-get install chromium")
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser had to complain about: a script refused, a style refused, a crash."""
    return []


@pytest.fixture
def page(chromium: Browser, url: str, complaints: list[str]) -> Iterator[Page]:
    context = _context(chromium, url)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


def test_from_registering_to_a_paid_job(page: Page) -> None:
    name = _registered(page)
    expect(page.locator("h1")).to_have_text(f"Hello, {name}")
    expect(page.locator(".purse")).to_contain_text("10,000,000")

    page.get_by_role("link", name="Try example").click()
    page.get_by_label("Input").fill("to be or not to be")
    page.get_by_role("button", name="Call").click()

    # From here on the page follows the job by itself.
    expect(page.locator("h1")).to_contain_text("succeeded")
    expect(page.locator(".timeline")).to_contain_text("paid")
    expect(page.locator("body")).to_contain_text('"words": 6')
    expect(page.locator("body")).to_contain_text("host/hosted-1")
    expect(page.locator(".changes")).to_contain_text("Received and paid")
    expect(page.get_by_text("Refresh")).to_have_count(0)
    cost = page.locator(".figure", has_text="Cost").locator("strong").inner_text()

    page.get_by_role("link", name="Balance").click()
    expect(page.locator(".figure.main")).not_to_contain_text("10,000,000")
    expect(page.locator("tbody tr").first).to_contain_text(f"\u2212{cost}")


def test_a_job_is_followed_from_running_to_cancelled(page: Page) -> None:
    _registered(page)
    _added(page, "sleepy", "chainfaas/sleep")
    page.get_by_label("Input").fill("20")
    page.get_by_role("button", name="Call").click()
    expect(page.locator("h1")).to_contain_text("running")

    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel job").click()

    expect(page.locator("h1")).to_contain_text("cancelled")
    expect(page.locator("body")).to_contain_text("Cancelled by its owner")
    expect(page.locator(".timeline .settled")).to_be_visible()


def test_the_chain_is_verified_by_anybody(page: Page, url: str) -> None:
    page.goto("/ledger")

    page.get_by_role("button", name="Verify the chain").click()

    expect(page.get_by_role("status")).to_contain_text("Verified.")


def test_without_javascript_a_job_is_followed_by_hand(chromium: Browser, url: str) -> None:
    context = _context(chromium, url, java_script_enabled=False)
    page = context.new_page()
    _registered(page)
    page.goto("/functions/" + page.locator(".me a").inner_text() + "/example")
    page.get_by_label("Input").fill("one two")
    page.get_by_role("button", name="Call").click()

    for _ in range(50):
        if "paid" in page.locator(".timeline").inner_text():
            break
        page.wait_for_timeout(100)
        page.get_by_role("link", name="Refresh").click()

    expect(page.locator("h1")).to_contain_text("succeeded")
    expect(page.locator("body")).to_contain_text('"words": 2')
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_phone_and_all_words_can_be_read(
    chromium: Browser, url: str, scheme: str
) -> None:
    context = _context(chromium, url, viewport=PHONE, color_scheme=scheme)
    page = context.new_page()
    name = _registered(page, "developer", "provider", "peer")
    page.goto(f"/functions/{name}/example")
    page.get_by_label("Input").fill("a" * 300)
    page.get_by_role("button", name="Call").click()
    expect(page.locator(".timeline")).to_contain_text("paid")
    job = page.url

    for address in (job, f"/functions/{name}/example", *PAGES):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUND[scheme], address
        assert page.evaluate(CONTRAST) == [], address
    context.close()


CONTRAST = """() => {
  const channel = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 };
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const colour = text => text.match(/[\\d.]+/g).map(Number);
  const ground = node => {
    for (; node; node = node.parentElement) {
      const found = colour(getComputedStyle(node).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(child => child.nodeType == 3 && child.data.trim());
    if (!own || !node.getClientRects().length || node.closest(".unseen, noscript, svg")) continue;
    const [a, b] = [light(colour(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${node.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""
"""WCAG's contrast of every text on its ground; what is below 4.5 to 1."""


def _context(chromium: Browser, url: str, **options: object) -> BrowserContext:
    context = chromium.new_context(**{"base_url": url, "viewport": DESKTOP, **options})  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    return context


def _registered(page: Page, *roles: str) -> str:
    """The name of a new developer, who is signed in."""
    name = f"dora-{secrets.token_hex(4)}"
    page.goto("/")
    page.get_by_role("link", name="Register").first.click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    for role in roles:
        page.get_by_label(re.compile(role, re.IGNORECASE)).check()
    page.get_by_role("button", name="Register").click()
    expect(page.locator("h1")).to_contain_text(name)
    return name


def _added(page: Page, name: str, image: str) -> None:
    page.goto("/functions/new")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Container image").fill(image)
    page.get_by_role("button", name="Add function").click()
    expect(page.locator("h1")).to_contain_text(name)
