"""The client against the real app."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.processes import free_ports
from services.common.errors import ProblemError
from services.perception.app import app
from services.perception.client import PerceptionClient
from services.perception.schemas import PhotoOptions, StoryOptions
from tests.gateway.fakes import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[PerceptionClient]:
    (port,) = free_ports(1)
    with serve(app, port):
        client = PerceptionClient(f"http://127.0.0.1:{port}")
        async with asyncio.timeout(60):
            while not await client.ready():
                await asyncio.sleep(0.05)
        yield client
        await client.close()


async def test_a_service_that_is_away_is_not_ready_and_says_so():
    (port,) = free_ports(1)
    client = PerceptionClient(f"http://127.0.0.1:{port}")
    assert not await client.ready()
    with pytest.raises(ProblemError, match="perception cannot be reached: ClientConnectorError") as caught:
        await client.story(b"", StoryOptions())
    assert caught.value.code == "service_unavailable"
    await client.close()


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
