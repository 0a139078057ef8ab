"""/v1/stories and /v1/relations."""

import json

import pytest

from tests.gateway.conftest import Stack
from tests.gateway.fakes import picture

OWN = {"name": "mine", "labels": [{"name": "rivals", "definition": "d"}, {"name": "allies", "definition": "d"}]}
STORY = "<P1> smiles at <P2>. <P10> looks on."


def relate(stack: Stack, shows: str = "people=3", **fields: str) -> dict:
    return stack.http.post("/v1/relations", files={"photo": picture(shows)}, data=fields).json()


def test_a_photo_is_told(stack: Stack):
    told = stack.http.post("/v1/stories", files={"photo": picture("people=2")}).json()

    assert told["story"] == "<P1> stands there. <P2> stands there."
    assert [person["symbol"] for person in told["people"]] == ["P1", "P2"]


@pytest.mark.parametrize("path", ["/v1/stories", "/v1/relations"])
def test_answers_about_people_are_left_out_on_wish(stack: Stack, path: str):
    told, silent, wrong = (
        stack.http.post(path, files={"photo": picture("people=2")}, data=data).json()
        for data in ({}, {"omit": '["age"]'}, {"omit": '["shoe size"]'})
    )

    assert told["people"][0]["attributes"]["age"]["value"] == "35"
    assert silent["people"][0]["attributes"] == {}
    assert (wrong["code"], wrong["param"]) == ("invalid_request", "omit.0")


def test_a_photo_becomes_relations_and_a_graph(stack: Stack):
    answer = relate(stack, pairs='[["P1", "P3"]]')

    assert answer["relations"][0]["pair"] == ["P1", "P3"]
    assert [node["id"] for node in answer["graph"]["nodes"]] == ["P1", "P2", "P3"]
    assert answer["graph"]["edges"] == [{"source": "P1", "target": "P3", "label": "friends", "probability": 0.5}]
    assert answer["width"] == 64 and answer["story"].startswith("<P1>")
    assert set(answer["timings_s"]) == {"perception.people", "reasoning.score"}


def test_a_story_needs_no_photo(stack: Stack):
    as_json = stack.http.post("/v1/relations", json={"story": STORY, "pairs": [["P1", "P10"]]}).json()
    as_form = stack.http.post("/v1/relations", data={"story": STORY, "pairs": '[["P1", "P10"]]'}).json()

    assert as_json == as_form
    assert as_json["width"] is None and as_json["people"] == []
    assert [node["id"] for node in as_json["graph"]["nodes"]] == ["P1", "P2", "P10"]


def test_an_own_taxonomy_and_own_boxes_are_used(stack: Stack):
    answer = relate(stack, "people=0", taxonomy=json.dumps(OWN), boxes="[[0, 0, 5, 5], [5, 0, 9, 9]]")

    assert answer["taxonomy"] == "mine"
    assert set(answer["relations"][0]["probabilities"]) == {"rivals", "allies"}


def test_what_the_model_abstained_from_is_no_edge(stack: Stack):
    answer = relate(stack, abstain_below="0.9")

    assert answer["relations"][0]["abstained"] and answer["graph"]["edges"] == []


def test_warnings_of_the_photo_are_passed_on(stack: Stack):
    assert relate(stack, "animated people=2")["warnings"] == ["photo: only its first frame was read"]


@pytest.mark.parametrize(
    ("shows", "fields", "code", "param"),
    [
        ("people=0", {}, "no_person", "photo"),
        ("people=1", {}, "one_person", "photo"),
        ("people=2", {"pairs": '[["P1", "P3"]]'}, "unknown_person", "pairs"),
        ("people=2", {"pairs": '[["P1", "P1"]]'}, "invalid_request", "pairs"),
        ("people=2", {"pairs": "P1,P2"}, "invalid_request", "pairs"),
        ("people=2", {"pairs": '[["P1", "you"]]'}, "invalid_request", "pairs.0.1"),
        ("people=2", {"taxonomy": "zodiac"}, "taxonomy_invalid", "taxonomy"),
        ("people=2", {"taxonomy": '{"name": "n", "labels": []}'}, "taxonomy_invalid", "taxonomy"),
        ("people=2", {"boxes": "[[1, 2, 3]]"}, "invalid_request", "boxes.0.3"),
        ("people=2", {"boxes": "{"}, "invalid_request", "boxes"),
        ("people=2", {"abstain_below": "2"}, "invalid_request", "abstain_below"),
        ("people=2", {"colour": "red"}, "invalid_request", "colour"),
        ("people=2", {"story": STORY}, "invalid_request", "photo"),
        ("broken", {}, "unsupported_media", "photo"),
    ],
)
def test_a_bad_question_is_refused_by_its_code(stack: Stack, shows: str, fields: dict, code: str, param: str):
    answer = relate(stack, shows, **fields)

    assert (answer["code"], answer["param"]) == (code, param), answer


@pytest.mark.parametrize(
    ("story", "code"), [("", "no_person"), ("no one here", "no_person"), ("<P1> is alone.", "one_person")]
)
def test_a_story_without_two_people_is_refused(stack: Stack, story: str, code: str):
    assert stack.http.post("/v1/relations", json={"story": story}).json()["code"] == code


@pytest.mark.parametrize("path", ["/v1/stories", "/v1/relations"])
@pytest.mark.parametrize("content", [b"", b"just text", b"RIFF\x00\x00\x00\x00WAVEfmt "])
def test_a_photo_that_is_no_picture_is_refused(stack: Stack, path: str, content: bytes):
    answer = stack.http.post(path, files={"photo": ("photo.jpg", content, "image/jpeg")})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")


def test_a_body_that_is_no_json_is_refused(stack: Stack):
    answer = stack.http.post("/v1/relations", content=b"\xff{", headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
