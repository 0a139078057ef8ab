"""A real Chromium for tests of the console."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

expect.set_options(timeout=30_000)  # what is waited for comes at once on a machine that has nothing else to do

_NO_WORDS = re.compile(r"\b(?:null|undefined|NaN)\b|\[object |(?:^|\n)(?:true|false)(?:\n|$)")
"""What a page shows that was made of something that is not there."""

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--mute-audio"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@contextmanager
def console_page(browser: Browser, url: str, *, expected_errors: list[str] | None = None) -> Iterator[Page]:
    """A page at the console; afterwards nothing may have gone wrong in it but ``expected_errors`` (parts of text)."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"{message.text} {message.location}")

    page.on("console", heard)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    yield page
    said = page.locator("main").inner_text() if page.locator("main").count() else ""
    context.close()
    # A part that is slow to say that it is ready is shown as such, and Chromium logs the 503.
    expected = ["/readyz", *(expected_errors or [])]
    unexpected = [fault for fault in faults if not any(part in fault for part in expected)]
    assert not unexpected, unexpected
    assert not _NO_WORDS.search(said), said


def keep_picture(page: Page, name: str) -> None:
    """The whole page as PNG, where RACONTEUR_PICTURES names a folder; CI keeps it as an artefact."""
    folder = os.environ.get("RACONTEUR_PICTURES")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def check_accessibility(page: Page) -> None:
    """No serious finding of axe-core on what is shown."""
    found = Axe().run(page).response["violations"]
    serious = [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found if v["impact"] in ("serious", "critical")]
    assert not serious, serious
