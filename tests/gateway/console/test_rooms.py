"""The console in a real browser; behind it a real gateway and worker with fakes for the three services."""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from services.common.errors import ProblemError
from tests.browser import check_accessibility, console_page, needs_chromium
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.made_media import picture, wav
from tests.gateway.test_prompts import PROMPT

pytestmark = needs_chromium


def photo(shows: str) -> Any:
    return {"name": "photo.png", "mimeType": "image/png", "buffer": picture(shows)}


def speech(seconds: float = 1.0) -> Any:
    return {"name": "speech.wav", "mimeType": "audio/wav", "buffer": wav(seconds)}


def fill_talk(page: Page, shows: str = "a face") -> None:
    page.get_by_role("link", name="Talk").click()
    page.get_by_label("Choose a portrait or a video").set_input_files(photo(shows))
    page.get_by_label("Choose a recording").set_input_files(speech())
    page.get_by_label("This is the face of").fill("Ann Lee")
    page.get_by_label("It may be animated because of").select_option("self")


class TestRelations:
    def test_a_photo_leads_to_a_relation_without_another_click(self, page: Page):
        page.get_by_label("Choose a photo").set_input_files(photo("people=2"))

        expect(page.locator(".answer .label")).to_contain_text("friends")
        expect(page.locator(".bars tr")).to_have_count(2)
        expect(page.get_by_role("button", name="P1")).to_have_attribute("aria-pressed", "true")
        check_accessibility(page)

    def test_other_people_are_chosen_and_all_pairs_make_a_graph(self, page: Page):
        page.get_by_label("Choose a photo").set_input_files(photo("people=3"))
        expect(page.locator(".answer .pair")).to_contain_text("P1 and P2")

        page.get_by_role("button", name="P3").click()
        page.get_by_role("button", name="P2").click()
        expect(page.locator(".answer .pair")).to_contain_text("P2 and P3")
        page.get_by_role("button", name="all pairs").click()
        expect(page.get_by_role("img", name="Social graph")).to_be_visible()

    def test_labels_of_the_graph_do_not_lie_on_each_other(self, page: Page):
        page.get_by_label("Choose a photo").set_input_files(photo("people=5"))
        expect(page.locator(".answer .label")).to_be_visible()
        page.get_by_role("button", name="all pairs").click()
        labels = page.locator(".graph text.edge")
        expect(labels).to_have_count(10)
        boxes = [label.bounding_box() for label in labels.all()]
        for one, other in combinations(boxes, 2):
            apart_x = abs(one["x"] - other["x"]) - min(one["width"], other["width"])
            assert apart_x > 0 or abs(one["y"] - other["y"]) > one["height"] / 2, (one, other)

    def test_a_mended_story_is_asked_again(self, page: Page):
        page.get_by_label("Choose a photo").set_input_files(photo("people=2"))
        expect(page.locator(".answer .label")).to_be_visible()

        page.get_by_text("The story that the answer rests on").click()
        page.get_by_label("The story", exact=True).fill("<P1> and <P2> row a boat.")
        page.get_by_role("button", name="Ask again").click()
        page.get_by_text("What it rests on").click()
        expect(page.locator(".answer li")).to_contain_text("row a boat")

    @pytest.mark.usefixtures("no_prompts")
    def test_a_stored_prompt_is_chosen_for_the_question_at_hand(self, page: Page, stack: Stack):
        mine = stack.http.post("/v1/prompts", json=PROMPT).raise_for_status().json()
        page.reload()
        prompt = page.get_by_role("combobox", name="Prompt")
        expect(prompt.locator("option")).to_have_count(3)
        page.get_by_label("Choose a photo").set_input_files(photo("people=2"))
        expect(page.locator(".answer .label")).to_be_visible()
        assert stack.fakes.prompts[-1] is None

        prompt.select_option(mine["id"])
        expect(page.locator(".answer .label")).to_be_visible()
        wait_for(lambda: stack.fakes.prompts[-1] is not None)
        assert stack.fakes.prompts[-1].name == "mine"
        expect(page.locator(".answer")).to_contain_text("asked with the prompt")
        check_accessibility(page)
        page.get_by_role("combobox", name="Relations").select_option("pipa")
        expect(prompt.locator("option")).to_have_count(1)

    def test_a_relation_goes_to_the_portraits_in_plain_words(self, page: Page):
        page.get_by_label("Choose a photo").set_input_files(photo("people=2"))
        page.get_by_role("button", name="let a portrait tell this").click()

        words = page.get_by_label("Text to be spoken")
        expect(words).to_have_value(re.compile(r"^I see two people.*This is a guess and no more\.$"))
        assert "<P" not in words.input_value()

    def test_an_unreadable_photo_is_told_in_plain_words(self, browser: Browser, stack: Stack):
        with console_page(browser, str(stack.http.base_url), expected_errors=["415"]) as page:
            page.get_by_label("Choose a photo").set_input_files(photo("broken"))
            expect(page.get_by_role("alert")).to_contain_text("photo: it cannot be decoded")
            page.get_by_label("Choose a photo").set_input_files(photo("people=2"))
            expect(page.locator(".answer .label")).to_be_visible()


class TestTalk:
    def test_a_video_is_watched_while_it_is_made_and_fetched_when_it_is_done(self, page: Page, stack: Stack):
        stack.fakes.segment_s = 0.5
        fill_talk(page)
        page.get_by_role("button", name="Make it talk").click()

        expect(page.locator("video.film")).to_be_visible(timeout=20_000)
        expect(page.get_by_role("link", name="Download")).to_be_visible(timeout=30_000)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download").click()
        assert download.value.path().read_bytes()[4:8] == b"ftyp"
        check_accessibility(page)

    def test_a_text_is_watched_with_its_captions(self, page: Page):
        page.get_by_role("link", name="Talk").click()
        page.get_by_label("Choose a portrait or a video").set_input_files(photo("a face"))
        page.get_by_label("Text to be spoken").fill("Good morning. How are you?")
        page.get_by_label("This is the face of").fill("Ann Lee")
        page.get_by_label("It may be animated because of").select_option("self")
        page.get_by_role("button", name="Make it talk").click()

        expect(page.get_by_role("link", name="Download")).to_be_visible(timeout=30_000)
        # Captions are read after the video's head.
        page.wait_for_function("() => document.querySelector('video.film').textTracks[0]?.cues?.length")
        said = "() => [...document.querySelector('video.film').textTracks[0].cues].map((cue) => cue.text)"
        assert page.evaluate(said) == ["Good morning.", "How are you?"]
        page.get_by_role("button", name="does the mouth follow the sound?").click()
        expect(page.locator(".mouth .opening")).to_have_count(1)
        expect(page.locator(".mouth figcaption")).to_contain_text("no face was found")
        check_accessibility(page)

    def test_the_example_talks_after_two_clicks(self, browser: Browser, stack: Stack):
        with console_page(browser, f"{stack.http.base_url}/#talk", expected_errors=["422", "415"]) as page:
            page.get_by_role("button", name="take the example").first.click()
            expect(page.locator("audio")).to_be_visible()
            expect(page.get_by_role("button", name="Make it talk")).to_be_enabled()

    def test_it_says_what_is_missing_before_it_asks(self, page: Page):
        page.get_by_role("link", name="Talk").click()

        expect(page.get_by_role("button", name="Make it talk")).to_be_disabled()
        expect(page.get_by_text("Still missing")).to_contain_text("a face, something to say, whose face it is")

    def test_a_portrait_without_a_face_is_refused_with_a_hint(self, browser: Browser, stack: Stack):
        with console_page(browser, str(stack.http.base_url), expected_errors=["422"]) as page:
            fill_talk(page, "no_face")
            page.get_by_role("button", name="Make it talk").click()
            expect(page.get_by_role("alert")).to_contain_text("No face was found")

    def test_a_job_is_stopped(self, page: Page, stack: Stack):
        stack.fakes.segment_s = 5.0
        fill_talk(page)
        page.get_by_role("button", name="Make it talk").click()
        page.get_by_role("button", name="stop it").click()

        expect(page.locator(".stage-line")).to_have_text("stopped", timeout=10_000)

    def test_a_recording_from_the_microphone_can_be_used(self, page: Page):
        page.get_by_role("link", name="Talk").click()
        page.get_by_role("button", name="Record", exact=True).click()
        page.wait_for_timeout(600)
        page.get_by_role("button", name="Stop").click()

        expect(page.locator("audio")).to_be_visible()


STORIES = [
    {"id": f"{label}-{n}", "story": f"<P1> {cue} <P2> on day {n}.", "pair": ["P1", "P2"], "label": label}
    for n in range(8)
    for label, cue in {"family": "hugs", "friends": "laughs with", "commercial": "pays"}.items()
]
JSON_LINES: Any = {
    "name": "stories.jsonl",
    "mimeType": "application/json",
    "buffer": "\n".join(json.dumps(story) for story in STORIES).encode(),
}


@pytest.fixture
def no_prompts(stack: Stack) -> Iterator[None]:
    yield
    for prompt in stack.http.get("/v1/prompts").json()["prompts"]:
        stack.http.delete(f"/v1/prompts/{prompt['id']}").raise_for_status()


@pytest.mark.usefixtures("no_prompts")
class TestPrompts:
    def test_a_version_is_written_compared_answers_and_gives_way_again(self, page: Page):
        page.get_by_role("link", name="Prompts").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_contain_text("answers")
        page.get_by_role("button", name="show").click()
        page.get_by_role("button", name="write a version from it").click()
        page.get_by_label("Name").fill("mine")
        page.get_by_label("Guidance").fill("Look at the hands.")
        page.get_by_role("button", name="Store it").click()

        expect(page.locator(".segments ins")).to_contain_text("hands")
        expect(page.locator(".segments del").first).to_be_visible()
        check_accessibility(page)
        page.get_by_role("button", name="let it answer").click()
        mine = page.locator("tbody tr").first
        expect(mine).to_contain_text("mine")
        expect(mine).to_contain_text("answers")
        page.get_by_role("button", name="undo the last change").click()
        expect(page.locator("tbody tr").last).to_contain_text("answers")
        page.get_by_role("button", name="erase").click()
        expect(page.locator("tbody tr")).to_have_count(1)

    def test_a_search_tells_its_cost_first_then_its_loss_and_leaves_a_prompt(self, page: Page, stack: Stack):
        stack.fakes.slice_s, stack.fakes.segment_s = 0.02, 0.05
        page.get_by_role("link", name="Prompts").click()
        page.get_by_label("Choose labelled stories").set_input_files(JSON_LINES)
        page.get_by_label("Steps").fill("6")

        expect(page.get_by_text("tokens in 6 steps")).to_be_visible()
        page.get_by_role("button", name="Search a better one").click()
        expect(page.locator(".curve svg")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("link", name="Download the report")).to_be_visible(timeout=120_000)
        expect(page.locator("tbody tr")).to_have_count(2)
        check_accessibility(page)

    def test_the_prompt_that_answers_is_judged(self, page: Page, stack: Stack):
        page.get_by_role("link", name="Prompts").click()
        page.get_by_label("Choose labelled stories").set_input_files(JSON_LINES)
        page.get_by_role("button", name="Judge the prompt that answers").click()

        expect(page.locator(".confusion tbody tr")).to_have_count(6, timeout=30_000)
        expect(page.locator(".accuracies tr").first).to_contain_text("[")
        check_accessibility(page)

    def test_the_example_stories_can_be_searched(self, page: Page):
        page.get_by_role("link", name="Prompts").click()
        page.get_by_role("button", name="take the example").click()
        expect(page.get_by_text("24 stories, 6 labels")).to_be_visible()
        expect(page.get_by_text("tokens in 10 steps")).to_be_visible()

    def test_a_line_that_is_no_story_is_named(self, page: Page):
        page.get_by_role("link", name="Prompts").click()
        broken = JSON_LINES | {"buffer": JSON_LINES["buffer"] + b"\n{oh"}
        page.get_by_label("Choose labelled stories").set_input_files(broken)
        expect(page.get_by_role("alert")).to_contain_text("stories.jsonl, line 25")
        expect(page.get_by_role("button", name="Search a better one")).to_be_disabled()


class TestJobs:
    def test_jobs_appear_and_change_by_themselves(self, page: Page, stack: Stack):
        stack.wait(stack.submit(1.0)["id"])
        page.get_by_role("link", name="Jobs").click()
        expect(page.locator("tbody tr").first).to_contain_text("done after")  # what is there is shown
        before = page.locator("tbody tr").count()
        job = stack.submit(1.0)

        expect(page.locator("tbody tr")).to_have_count(before + 1)
        expect(page.locator("tbody tr").first).to_contain_text("done after", timeout=20_000)
        assert stack.job(job["id"])["status"] == "succeeded"
        check_accessibility(page)

    def test_a_finished_job_is_erased(self, page: Page, stack: Stack):
        job = stack.wait(stack.submit(1.0)["id"])
        page.get_by_role("link", name="Jobs").click()
        rows = page.locator("tbody tr")
        expect(rows.first).to_contain_text("done after")
        rows.first.get_by_role("button", name="erase").click()

        wait_for(lambda: stack.http.get(f"/v1/jobs/{job['id']}").status_code == 404)

    def test_a_failed_job_is_made_again(self, page: Page, stack: Stack):
        stack.fakes.faults.append(ProblemError("face_too_small", "portrait: too small", param="portrait"))
        job = stack.wait(stack.submit(1.0)["id"])
        page.get_by_role("link", name="Jobs").click()
        row = page.locator("tbody tr").filter(has_text="too small").first
        row.get_by_role("button", name="again").click()
        expect(page.locator("tbody tr").first).to_contain_text("done", timeout=20_000)
        assert stack.job(job["id"])["status"] == "failed"

    def test_an_evaluation_that_was_stopped_is_made_again(self, page: Page, stack: Stack):
        stack.fakes.segment_s = 30
        job = stack.http.post("/v1/evaluations", json={"stories": STORIES}).json()
        stack.wait(job["id"], "running")
        page.get_by_role("link", name="Jobs").click()
        newest = page.locator("tbody tr").first
        newest.get_by_role("button", name="stop", exact=True).click()
        expect(newest).to_contain_text("stopped", timeout=30_000)
        stack.fakes.segment_s = 0
        newest.get_by_role("button", name="again").click()
        expect(newest).to_contain_text("done after", timeout=30_000)

    def test_a_lost_connection_comes_back(self, browser: Browser, stack: Stack):
        with console_page(browser, str(stack.http.base_url), expected_errors=["ERR_INTERNET_DISCONNECTED"]) as page:
            page.get_by_role("link", name="Jobs").click()
            expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
            page.wait_for_timeout(300)
            page.context.set_offline(True)
            # An open stream outlives the switch in Chromium: the room is entered again while nothing answers.
            page.get_by_role("link", name="Relations").click()
            page.get_by_role("link", name="Jobs").click()
            expect(page.get_by_text("The connection is lost")).to_be_visible()
            expect(page.get_by_role("alert")).to_contain_text("Raconteur cannot be reached")
            page.context.set_offline(False)
            expect(page.get_by_text("The connection is lost")).to_be_hidden(timeout=10_000)


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_screen(page: Page, width: int):
    page.set_viewport_size({"width": width, "height": 800})
    for room in ("Relations", "Talk", "Prompts", "Jobs"):
        page.get_by_role("link", name=room).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, room


def test_a_dark_screen_gets_a_dark_page(page: Page):
    page.emulate_media(color_scheme="dark")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 23, 27)"
    check_accessibility(page)
