"""What holds for every call."""

from tests.gateway.conftest import Stack


def test_every_call_is_documented_with_an_example_and_its_problems(stack: Stack):
    paths = stack.http.get("/openapi.json").json()["paths"]
    calls = {f"{verb} {path}": call for path, verbs in paths.items() for verb, call in verbs.items()}
    public = {name: call for name, call in calls.items() if "/v1/" in name}

    assert "post /v1/videos" in public
    for name, call in public.items():
        assert call["summary"] and call["description"], name
        problems = [answer for status, answer in call["responses"].items() if status[0] in "45"]
        assert problems, name
        for answer in problems:
            assert all(content.get("examples") for content in answer["content"].values()), name


def test_it_is_ready_when_its_parts_are(stack: Stack):
    parts = stack.http.get("/readyz").json()["parts"]

    assert parts == dict.fromkeys(("perception", "reasoning", "talkinghead", "database", "broker", "files"), "ready")


def test_an_unknown_id_is_never_a_state(stack: Stack):
    for path in ("files/x", "files/x/content", "jobs/x", "jobs/x/events", "jobs/x/content"):
        answer = stack.http.get(f"/v1/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert stack.http.post("/v1/jobs/x/cancel").status_code == 404
    assert stack.http.delete("/v1/jobs/x").status_code == stack.http.delete("/v1/files/x").status_code == 404
