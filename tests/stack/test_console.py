"""The console on the real stack, as somebody sees it who has never read a page of documentation."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium, console_page, keep_picture, needs_chromium
from tests.stack.conftest import RunningStack

pytestmark = [*needs_chromium, pytest.mark.stack, pytest.mark.slow, pytest.mark.timeout(900)]

FIRST_RELATION_S = 60
FIRST_FILM_S = 120
"""What somebody may have to wait who has just opened the page."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, stack: RunningStack) -> Iterator[Page]:
    with console_page(browser, stack.url) as page:
        yield page


def test_the_page_can_be_used_within_a_second(page: Page):
    expect(page.get_by_role("button", name="take the example")).to_be_visible()
    interactive_ms = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    assert interactive_ms < 1000


def test_a_relation_is_one_click_away(page: Page):
    began = time.monotonic()
    page.get_by_role("button", name="take the example").click()

    expect(page.locator(".answer .label")).not_to_be_empty(timeout=300_000)
    expect(page.locator(".answer .explanation")).not_to_be_empty()
    assert time.monotonic() - began < FIRST_RELATION_S
    assert page.locator(".bars tr").count() == 6
    assert page.locator(".chip").count() >= 4
    keep_picture(page, "relations")


def test_a_talking_portrait_is_three_clicks_away(page: Page):
    began = time.monotonic()
    page.get_by_role("link", name="Talk").click()
    page.get_by_role("button", name="take the example").first.click()
    page.get_by_role("button", name="Make it talk").click()

    film = page.locator("video.film")
    expect(film).to_be_visible(timeout=300_000)
    while not film.evaluate("film => film.currentTime > 0"):
        assert time.monotonic() - began < FIRST_FILM_S
        page.wait_for_timeout(100)
    expect(page.get_by_role("link", name="Download")).to_be_visible(timeout=600_000)
    keep_picture(page, "talk")


def test_a_job_is_canceled_in_its_room(page: Page):
    page.get_by_role("link", name="Talk").click()
    page.get_by_role("button", name="take the example").first.click()
    page.get_by_role("button", name="Make it talk").click()
    expect(page.get_by_role("button", name="stop it")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Jobs").click()
    page.get_by_role("button", name="stop", exact=True).first.click()
    expect(page.locator("tbody tr").first).to_contain_text("stopped", timeout=30_000)
    keep_picture(page, "jobs")


def test_the_prompt_that_ships_is_shown_and_a_search_is_estimated(page: Page):
    page.get_by_role("link", name="Prompts").click()
    expect(page.locator("tbody tr").last).to_contain_text("ships")
    page.get_by_role("button", name="take the example").click()
    expect(page.get_by_text("tokens in 10 steps")).to_be_visible(timeout=120_000)
    keep_picture(page, "prompts")
