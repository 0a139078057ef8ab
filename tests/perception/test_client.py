"""The client against the real app, through its ASGI interface."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from services.common.errors import ProblemError
from services.perception.app import app
from services.perception.client import PerceptionClient
from services.perception.schemas import PhotoOptions, StoryOptions

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[PerceptionClient]:
    client = PerceptionClient("http://perception")
    await client.close()
    async with app.router.lifespan_context(app):
        client._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://perception")
        await app.state.loading
        yield client
        await client.close()


async def test_it_knows_when_the_service_is_ready(client: PerceptionClient):
    assert await client.ready()


async def test_options_reach_the_service(client: PerceptionClient, friends_jpeg: bytes):
    options = StoryOptions(boxes=[(662, 256, 985, 667)], omit=["gender"], masks=True)
    story = await client.story(friends_jpeg, options)
    (person,) = story.people
    assert person.box == (662, 256, 985, 667) and person.mask is not None
    assert "age" in person.attributes and "gender" not in person.attributes


async def test_an_overlay_comes_as_it_was_drawn(client: PerceptionClient, friends_jpeg: bytes):
    assert (await client.overlay(friends_jpeg, PhotoOptions())).startswith(b"\x89PNG")


async def test_the_services_problem_is_raised_with_its_code(client: PerceptionClient):
    with pytest.raises(ProblemError) as caught:
        await client.story(b"no picture", StoryOptions())
    assert (caught.value.code, caught.value.param) == ("unsupported_media", "photo")
