"""/v1/stories and /v1/relations."""

import json
from xml.etree import ElementTree

import pytest

from tests.gateway.conftest import Stack
from tests.gateway.made_media import picture

OWN = {"name": "mine", "labels": [{"name": "rivals", "definition": "d"}, {"name": "allies", "definition": "d"}]}
SVG = "{http://www.w3.org/2000/svg}"
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


def test_the_language_model_words_the_story_on_wish(stack: Stack):
    plain, fused = (
        stack.http.post("/v1/stories", files={"photo": picture("people=2")}, data={"fuse": fuse}).json()
        for fuse in ("false", "true")
    )

    assert fused["story"] == "Indeed <P1> stands there. <P2> stands there."
    assert [(one["by"], one["records"]) for one in fused["sentences"]] == [("model", ["r1"]), ("template", ["r2"])]
    assert fused["warnings"] == ["story: 1 of 2 sentences stay plain; the model's dropped or added a fact"]
    assert fused["records"] == plain["records"] and fused["models"]["fusion"] == "fake"
    assert {one["by"] for one in plain["sentences"]} == {"template"}


def test_a_photo_becomes_relations_and_a_graph(stack: Stack):
    answer = relate(stack, pairs='[["P1", "P3"]]')

    assert answer["relations"][0]["pair"] == ["P1", "P3"]
    assert [node["id"] for node in answer["graph"]["nodes"]] == ["P1", "P2", "P3"]
    edge = {"source": "P1", "target": "P3", "label": "friends", "alone": None, "probability": 0.5, "directed": False}
    assert answer["graph"]["edges"] == [edge] and answer["graph"]["fired"] == []
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


class TestDirectRoute:
    """``story=off``: a model that sees the photo answers."""

    def test_the_relation_comes_from_the_photo_and_not_from_a_story(self, stack: Stack):
        before = len(stack.fakes.questions)
        answer = relate(stack, story="off", pairs='[["P1", "P3"]]')

        assert len(stack.fakes.questions) == before  # the language model was not asked
        assert (answer["relations"][0]["label"], answer["relations"][0]["coarse"]) == ("no-relation", "no relation")
        assert sum(answer["relations"][0]["probabilities"].values()) == pytest.approx(1)
        assert (answer["model"], answer["story"], answer["prompt"]) == ("eye", "", "direct")
        assert [node["id"] for node in answer["graph"]["nodes"]] == ["P1", "P2", "P3"]
        assert answer["graph"]["edges"][0]["label"] == "no-relation"

    def test_own_labels_are_chosen_from_and_an_unsure_answer_is_an_abstention(self, stack: Stack):
        answer = relate(stack, story="off", taxonomy=json.dumps(OWN), abstain_below="0.7")

        assert answer["taxonomy"] == "mine"
        assert [one["abstained"] for one in answer["relations"]] == [True] * 3 and answer["graph"]["edges"] == []

    def test_sensitive_labels_stay_out_on_wish(self, stack: Stack):
        with_, without = (relate(stack, story="off", leave_out_sensitive=flag) for flag in ("false", "true"))
        assert set(with_["relations"][0]["probabilities"]) - set(without["relations"][0]["probabilities"]) == {"couple"}

    def test_another_story_beside_a_photo_is_still_refused(self, stack: Stack):
        assert relate(stack, story="on")["code"] == "invalid_request"


def test_an_overlay_is_what_perception_drew(stack: Stack):
    photo = picture("people=2")
    form = {"boxes": "[[0, 0, 5, 5]]", "blur_faces": "true"}
    drawn = stack.http.post("/v1/overlays", files={"photo": photo}, data=form)

    assert drawn.headers["content-type"] == "image/png"
    assert drawn.content == photo + b'{"boxes":[[0.0,0.0,5.0,5.0]],"blur_faces":true}'
    refused = stack.http.post("/v1/overlays", files={"photo": b"text"}).json()
    assert (refused["code"], refused["param"]) == ("unsupported_media", "photo")


class TestGraphs:
    def test_the_graph_of_an_answer_is_drawn(self, stack: Stack):
        graph = relate(stack, "people=4")["graph"]
        drawn = stack.http.post("/v1/graphs", json=graph)

        assert drawn.headers["content-type"] == "image/svg+xml"
        root = ElementTree.fromstring(drawn.content)  # noqa: S314 - our own
        words = [element.text for element in root.iter(f"{SVG}text")]
        assert len(list(root.iter(f"{SVG}line"))) == 6 and len(list(root.iter(f"{SVG}circle"))) == 4
        assert {"P1", "P2", "P3", "P4", "friends 50%"} == set(words)

    def test_words_of_callers_are_text_in_it(self, stack: Stack):
        edge = {"source": "P1", "target": "P2", "label": "<script>alert(1)</script>", "probability": 0.5}
        nodes = [{"id": "P1", "box": None}, {"id": "P2", "box": None}]
        drawn = stack.http.post("/v1/graphs", json={"nodes": nodes, "edges": [edge]})

        assert b"<script" not in drawn.content
        read = ElementTree.fromstring(drawn.content)  # noqa: S314 - our own
        assert any(one.text == "<script>alert(1)</script> 50%" for one in read.iter())

    def test_a_character_that_no_xml_may_hold_is_replaced(self, stack: Stack):
        edge = {"source": "P1", "target": "P2", "label": "fri\x00ends", "probability": 0.5}
        nodes = [{"id": "P1", "box": None}, {"id": "P2", "box": None}]
        drawn = stack.http.post("/v1/graphs", json={"nodes": nodes, "edges": [edge]})
        read = ElementTree.fromstring(drawn.content)  # noqa: S314 - our own
        assert any(one.text == "fri\ufffdends 50%" for one in read.iter())

    @pytest.mark.parametrize(
        ("edge", "param"),
        [({"target": "P9"}, None), ({"target": "Bob"}, "edges.0.target"), ({"probability": 2}, "edges.0.probability")],
    )
    def test_a_graph_that_is_none_is_refused(self, stack: Stack, edge: dict, param: str | None):
        good = {"source": "P1", "target": "P2", "label": "friends", "probability": 0.5}
        nodes = [{"id": "P1", "box": None}, {"id": "P2", "box": None}]
        refused = stack.http.post("/v1/graphs", json={"nodes": nodes, "edges": [good | edge]}).json()
        assert (refused["code"], refused["param"]) == ("invalid_request", param)
