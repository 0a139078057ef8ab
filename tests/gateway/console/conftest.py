from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium, console_page
from tests.gateway.conftest import Stack


# Not wider: the event loop of a browser that stays open gets in the way of every async test after it.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    with console_page(browser, str(stack.http.base_url)) as page:
        yield page
