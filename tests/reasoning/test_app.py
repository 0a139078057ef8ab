"""The HTTP server with a real, small model."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from services.reasoning.app import app
from services.reasoning.fusion import unfaithful
from services.reasoning.schemas import FusionResponse, RelationsResponse
from services.reasoning.settings import reasoning_settings
from tests.reasoning.conftest import SMALL_MODEL

pytestmark = pytest.mark.asyncio(loop_scope="module")
STORY = "<P1> and <P2> kiss at a gate."
LABELS = [{"name": "lovers", "definition": "In love."}, {"name": "rivals", "definition": "At odds."}]
OWN = {"name": "own", "labels": LABELS}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(cache_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RACONTEUR_LLM", SMALL_MODEL)
        environment.setenv("RACONTEUR_CACHE_DIR", str(cache_dir))
        reasoning_settings.cache_clear()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://x") as http,
        ):
            loading = await http.get("/readyz")
            early = await http.post("/v1/relations", json={"story": STORY})
            assert (loading.status_code, loading.json()["parts"]) == (503, {"language_model": "loading"})
            assert (early.status_code, early.json()["code"]) == (503, "service_unavailable")
            assert (await http.get("/livez")).status_code == 200
            await app.state.loading.ended()
            yield http
    reasoning_settings.cache_clear()


async def test_it_is_ready_once_the_model_is_loaded(client: httpx.AsyncClient):
    assert (await client.get("/readyz")).json() == {"status": "ready", "parts": {"language_model": "ready"}}


async def test_a_story_becomes_relations(client: httpx.AsyncClient):
    body = {"story": STORY, "taxonomy": OWN, "explain": False}
    answer = RelationsResponse.model_validate((await client.post("/v1/relations", json=body)).raise_for_status().json())
    (relation,) = answer.relations
    assert relation.pair == ("P1", "P2")
    assert sum(relation.probabilities.values()) == pytest.approx(1)
    assert answer.model.startswith(SMALL_MODEL) and set(answer.timings_s) == {"prompt", "story", "score"}


async def test_taxonomies_and_prompts_are_listed(client: httpx.AsyncClient):
    assert [item["name"] for item in (await client.get("/v1/taxonomies")).json()] == ["pipa", "pisc"]
    prompts = (await client.get("/v1/prompts")).json()
    assert [(item["name"], len(item["hash"])) for item in prompts] == [("pipa", 12), ("pisc", 12)]


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"story": ""}, "story_empty", "story"),
        ({"story": "<P1> alone"}, "one_person", "story"),
        ({"pairs": [["P1", "P3"]]}, "unknown_person", "pairs"),
        ({"pairs": [["P1", "P1"]]}, "invalid_request", "pairs"),
        ({"pairs": [["P1", "you"]]}, "invalid_request", "pairs.0.1"),
        ({"pairs": [["P1", "P" + "1" * 500]]}, "invalid_request", "pairs.0.1"),
        ({"taxonomy": "friends"}, "taxonomy_invalid", "taxonomy"),
        ({"taxonomy": 3}, "taxonomy_invalid", "taxonomy"),
        ({"taxonomy": OWN | {"labels": [*LABELS, {"name": ""}]}}, "taxonomy_invalid", "taxonomy.labels.2.name"),
        ({"taxonomy": OWN | {"labels": LABELS[:1]}}, "taxonomy_invalid", "taxonomy.labels"),
        ({"taxonomy": OWN | {"labels": LABELS[:1] * 2}}, "taxonomy_invalid", "taxonomy"),
    ],
)
async def test_bad_input_has_a_code_and_names_the_field(client: httpx.AsyncClient, change: dict, code: str, param: str):
    response = await client.post("/v1/relations", json={"story": STORY, "explain": False} | change)
    assert (response.status_code, response.json()["code"], response.json()["param"]) == (422, code, param)


async def test_a_story_is_worded_anew_sentence_by_sentence_without_another_fact(client: httpx.AsyncClient):
    plain = ["<P1>, a man of about 45, is on the left.", "<P2> is on the right, next to <P1>."]
    answer = (await client.post("/v1/fusions", json={"sentences": plain})).raise_for_status().json()
    fused = FusionResponse.model_validate(answer).sentences
    assert len(fused) == 2
    for sentence, one in zip(plain, fused, strict=True):
        assert unfaithful(sentence, one.text) is None
        assert (one.by == "template") == (one.reason is not None)
    refused = await client.post("/v1/fusions", json={"sentences": []})
    assert (refused.status_code, refused.json()["param"]) == (422, "sentences")
