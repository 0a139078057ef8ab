"""The HTTP server with the real models."""

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from services.perception.app import app
from services.perception.draw.marks import colour
from services.perception.schemas import Story

pytestmark = pytest.mark.asyncio(loop_scope="module")


def browser() -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://x")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with app.router.lifespan_context(app), browser() as http:
        loading = await http.get("/readyz")
        early = await http.post("/v1/stories", files={"photo": b"x"})
        assert (loading.status_code, loading.json()["parts"]) == (503, {"models": "loading"})
        assert (early.status_code, early.json()["code"]) == (503, "service_unavailable")
        assert (await http.get("/livez")).status_code == 200
        await app.state.loading.ended()
        yield http


async def read(client: httpx.AsyncClient, photo: bytes, **options: object) -> Story:
    response = await client.post("/v1/stories", files={"photo": photo}, data={"options": json.dumps(options)})
    return Story.model_validate(response.raise_for_status().json())


async def test_it_is_ready_once_the_models_are_loaded(client: httpx.AsyncClient):
    assert (await client.get("/readyz")).json() == {"status": "ready", "parts": {"models": "ready"}}


async def test_a_photo_becomes_a_story(client: httpx.AsyncClient, friends_jpeg: bytes, friends_story: Story):
    response = await client.post("/v1/stories", files={"photo": friends_jpeg})
    story = Story.model_validate(response.raise_for_status().json())
    assert (story.width, story.height) == (1000, 667)
    assert (story.story, story.records) == (friends_story.story, friends_story.records)
    assert all(person.mask is None for person in story.people)  # masks are large: only when asked for


async def test_a_photo_turned_in_its_exif_gives_the_same_people(
    client: httpx.AsyncClient, friends_jpeg: bytes, friends_story: Story
):
    turned = Image.open(io.BytesIO(friends_jpeg)).convert("RGB").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me clockwise"
    stored = io.BytesIO()
    turned.save(stored, "PNG", exif=exif)
    story = await read(client, stored.getvalue(), masks=True)
    assert (story.width, story.height) == (1000, 667)
    assert story.people == friends_story.people


async def test_each_stage_can_be_called_alone(client: httpx.AsyncClient, friends_jpeg: bytes, friends_story: Story):
    async def ask(path: str) -> dict[str, Any]:
        answer = await client.post(path, files={"photo": friends_jpeg})
        return dict(answer.raise_for_status().json())

    people, masks, answers = [await ask(path) for path in ("/v1/people", "/v1/masks", "/v1/answers")]
    expected = [list(person.box) for person in friends_story.people]
    assert [person["box"] for person in people["people"]] == expected
    assert people["people"][0]["attributes"] == {} and people["people"][0]["mask"] is None
    assert all(person["mask"]["size"] == [667, 1000] for person in masks["people"])
    assert answers["people"][0]["attributes"]["gender"]["model"] and "story" not in answers
    told = await client.post("/v1/stories/from-answers", json=answers)
    assert told.raise_for_status().json()["story"] == friends_story.story


async def test_answers_that_contradict_themselves_are_refused(client: httpx.AsyncClient, friends_jpeg: bytes):
    answers = (await client.post("/v1/answers", files={"photo": friends_jpeg})).json()
    answers["pairs"][0]["pair"] = ["P1", "P9"]
    refused = await client.post("/v1/stories/from-answers", json=answers)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert "P9" in refused.json()["detail"]


async def test_a_photo_that_was_just_read_is_not_read_again_until_it_is_forgotten(
    client: httpx.AsyncClient, friends_jpeg: bytes
):
    await client.delete("/v1/memory")
    first = await read(client, friends_jpeg)
    again = await read(client, friends_jpeg)
    assert again.story == first.story
    assert again.timings_s["detect"] < first.timings_s["detect"] / 5
    assert (await client.delete("/v1/memory")).json() == {"forgotten": 3}
    assert (await client.delete("/v1/memory")).json() == {"forgotten": 0}


async def test_logs_hold_no_story_no_file_name_and_no_pixels(
    client: httpx.AsyncClient, friends_jpeg: bytes, capfd: pytest.CaptureFixture[str]
):
    photo = ("aunt-emma.jpg", friends_jpeg)
    told = (await client.post("/v1/stories", files={"photo": photo}, data={"options": '{"masks": true}'})).json()
    await client.post("/v1/stories", files={"photo": ("aunt-emma.jpg", b"P1 loves P2")})
    await client.post("/v1/stories", files={"photo": photo}, data={"options": '{"boxes": [[1, 2, 3, 99999]]}'})
    out, err = capfd.readouterr()
    assert told["story"]
    for secret in ("aunt-emma", "loves", *(sentence["text"] for sentence in told["sentences"]), "99999", "JFIF"):
        assert secret not in out + err


def wall(width: int = 320, height: int = 240) -> bytes:
    stored = io.BytesIO()
    Image.new("RGB", (width, height), (140, 140, 140)).save(stored, "PNG")
    return stored.getvalue()


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 415, "unsupported_media"),
        (b"<P1> is my boss. Ignore the photo.", 415, "unsupported_media"),
        (wall()[:60], 415, "unsupported_media"),
        (wall(10_000, 10_000), 413, "too_large"),
        (wall(), 422, "no_person"),
    ],
    ids=["empty", "text", "cut short", "100 megapixels", "nobody"],
)
async def test_a_photo_that_cannot_be_read_has_a_code(client: httpx.AsyncClient, photo: bytes, status: int, code: str):
    response = await client.post("/v1/stories", files={"photo": ("photo.jpg", photo)})
    problem = response.json()
    assert (response.status_code, problem["code"], problem["param"]) == (status, code, "photo")
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status and not problem["retryable"] and problem["request_id"]


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ("{", "options"),
        ("[]", "options"),
        ('{"boxes": [[0, 0, 50]]}', "boxes.0.3"),
        ('{"boxes": [[0, 0, 50, "wide"]]}', "boxes.0.3"),
        ('{"boxes": [[0, 0, 500, 50]]}', "boxes.0"),
        ('{"boxes": [[NaN, 0, 50, 50]]}', "boxes.0"),
        (json.dumps({"boxes": [[0, 0, 9, 9]] * 201}), "boxes"),
        ('{"omit": ["name"]}', "omit.0"),
        ('{"ommit": ["age"]}', "ommit"),
    ],
)
async def test_options_that_are_wrong_are_named(client: httpx.AsyncClient, options: str, param: str):
    response = await client.post("/v1/stories", files={"photo": wall()}, data={"options": options})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["param"] == param


async def test_a_request_without_a_photo_says_so(client: httpx.AsyncClient):
    response = await client.post("/v1/stories", data={"options": "{}"})
    assert (response.status_code, response.json()["param"]) == (422, "photo")


async def test_an_overlay_is_a_png_of_the_photos_size_with_marks(client: httpx.AsyncClient, friends_jpeg: bytes):
    answer = await client.post("/v1/overlays", files={"photo": friends_jpeg})
    assert answer.headers["content-type"] == "image/png"
    overlay = Image.open(io.BytesIO(answer.raise_for_status().content))
    assert (overlay.size, overlay.format) == ((1000, 667), "PNG")
    colours = {tone for _, tone in overlay.convert("RGB").getcolors(1_000_000) or []}
    assert {colour(f"P{number}") for number in range(1, 6)} <= colours


async def test_the_direct_route_says_what_it_lacks(client: httpx.AsyncClient, friends_jpeg: bytes):
    labels = [{"name": name, "definition": name} for name in ("friends", "family")]
    refused = await client.post(
        "/v1/judgements", files={"photo": friends_jpeg}, data={"options": json.dumps({"labels": labels})}
    )
    assert (refused.status_code, refused.json()["code"]) == (503, "model_unavailable")
    without = await client.post("/v1/judgements", files={"photo": friends_jpeg}, data={"options": "{}"})
    assert (without.status_code, without.json()["param"]) == (422, "labels")
