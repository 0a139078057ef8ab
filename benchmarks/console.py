"""The console in Chromium: how far it is to the first results, and how smoothly a long list of jobs scrolls.

    .venv/bin/python -m benchmarks.console          prints a table; --json prints one object

Starts a stack of its own in an empty data folder and walks as somebody does who opens the page for the first time:
every real click is counted, and the clock runs from opening the page. Then the jobs' room gets 1,000 jobs and is
scrolled to its end, page after page, and back; the time between two frames is taken by the page itself.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from playwright.sync_api import Browser, CDPSession, Page, expect

from benchmarks.stack import flat, machine, running_stack
from gateway.jobs.inputs import NARRATION, PROMPT_SEARCH, VIDEO
from gateway.jobs.records import new_id
from gateway.jobs.state import JobStatus
from gateway.settings import GatewaySettings
from gateway.store.tables import JOBS
from tests.browser import chromium, console_page

JOBS_IN_LIST: Final = 1000
_PATIENCE_MS: Final = 600_000
_SCREENS: Final = 3
"""Heights of the window that one gesture scrolls."""

_PX_PER_S: Final = 3000
_COUNT_CLICKS: Final = "clicks = 0; addEventListener('click', (e) => e.isTrusted && clicks++, true)"
_WATCH_FRAMES: Final = """
    frames = []; longest = 0; watching = true;
    new PerformanceObserver((list) => list.getEntries().forEach((e) => longest = Math.max(longest, e.duration)))
        .observe({ type: 'longtask' });
    const tick = (at) => { frames.push(at); if (watching) requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder)) as url, chromium() as browser:
        told: dict[str, Any] = {"machine": machine(), "load_before": round(os.getloadavg()[0], 1)}
        told["first relation"] = walk(browser, url, to_relation)
        told["first talking segment"] = walk(browser, url, to_segment)
        fill(Path(folder) / "data", JOBS_IN_LIST)
        told["scrolling 1,000 jobs"] = scroll(browser, url)
    if wanted.json:
        print(json.dumps(told, indent=2))
    else:
        for name, value in flat(told):
            print(f"| {name} | {value} |")


def walk(browser: Browser, url: str, way: Callable[[Page], None]) -> dict[str, float]:
    """Clicks and seconds from opening the page to the end of ``way``."""
    began = time.perf_counter()
    with console_page(browser, url) as page:
        page.evaluate(_COUNT_CLICKS)
        way(page)
        return {"clicks": page.evaluate("clicks"), "seconds": round(time.perf_counter() - began, 1)}


def to_relation(page: Page) -> None:
    """The example photo; label and reason of the two nearest people."""
    page.get_by_role("button", name="take the example").click()
    expect(page.locator(".answer .label")).not_to_be_empty(timeout=_PATIENCE_MS)
    expect(page.locator(".answer .explanation")).not_to_be_empty()


def to_segment(page: Page) -> None:
    """The example portrait and voice; until the film plays."""
    page.get_by_role("link", name="Talk").click()
    page.get_by_role("button", name="take the example").first.click()
    page.get_by_role("button", name="Make it talk").click()
    expect(page.locator("video.film")).to_be_visible(timeout=_PATIENCE_MS)
    page.wait_for_function("document.querySelector('video.film').currentTime > 0", timeout=_PATIENCE_MS)


def fill(data_dir: Path, number: int) -> None:
    """Finished jobs of all sorts, written beside the running gateway."""
    kinds, ends = (VIDEO, NARRATION, PROMPT_SEARCH), (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED)
    now = time.time()
    error = {"code": "no_face", "message": "portrait: no face was found in it", "param": "portrait", "retryable": False}
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "kind": kinds[n % 3],
            "status": ends[n % 5 % 3],
            "stage": "finished",
            "progress": 1.0,
            "created_at": now,
            "started_at": now,
            "finished_at": now + n % 90,
            "expires_at": now + 86_400,
            "input": {"speech": None, "text": "Good morning."},
            "error": error if n % 5 % 3 == 1 else None,
            "warnings": [],
            "fingerprint": "",
        }
        for n in range(number)
    ]
    engine = sa.create_engine(GatewaySettings(data_dir=data_dir).sql_url)
    with engine.begin() as sql:
        sql.execute(sa.insert(JOBS), rows)
    engine.dispose()


def scroll(browser: Browser, url: str) -> dict[str, Any]:
    """Down to the end while older jobs are fetched, then up and down with all of them there."""
    with console_page(browser, f"{url}/#jobs") as page:
        expect(page.locator("tbody tr").first).to_be_visible()
        session = page.context.new_cdp_session(page)
        told = {"fetching": _frames(page, lambda: _to_the_end(page, session))}
        told["rows"] = {"in the page": page.locator("tbody tr").count()}

        def both_ways() -> None:
            for distance in (1, -1):
                _gesture(page, session, distance * page.evaluate("document.documentElement.scrollHeight"))

        told["all there"] = _frames(page, both_ways)
        return told


def _to_the_end(page: Page, session: CDPSession) -> None:
    height = page.evaluate("innerHeight")
    while page.locator("tbody tr").count() < JOBS_IN_LIST:
        _gesture(page, session, _SCREENS * height)


def _gesture(page: Page, session: CDPSession, distance_px: int) -> None:
    """As by a wheel, down where positive."""
    middle = {"x": page.evaluate("innerWidth / 2"), "y": page.evaluate("innerHeight / 2")}
    gesture = {"yDistance": -distance_px, "speed": _PX_PER_S, "gestureSourceType": "mouse"}
    session.send("Input.synthesizeScrollGesture", middle | gesture)


def _frames(page: Page, act: Callable[[], None]) -> dict[str, Any]:
    """Milliseconds from frame to frame while ``act`` scrolls; 16.7 is the screen's own pace."""
    page.evaluate(f"() => {{ {_WATCH_FRAMES} }}")
    act()
    stamps = page.evaluate("() => { watching = false; return frames; }")
    gaps = sorted(b - a for a, b in pairwise(stamps))
    cut = statistics.quantiles(gaps, n=100)
    return {
        "frames": len(gaps),
        "median ms": round(statistics.median(gaps), 1),
        "95 % ms": round(cut[94], 1),
        "99 % ms": round(cut[98], 1),
        "worst ms": round(gaps[-1], 1),
        "longest task ms": round(page.evaluate("longest"), 1),
    }


if __name__ == "__main__":
    main()
