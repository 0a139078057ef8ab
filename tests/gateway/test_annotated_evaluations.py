"""Evaluations of annotated photos: a job that has them told, one after the other, and judged."""

from typing import Any

import pytest

from tests.gateway.conftest import Stack, wait_for
from tests.gateway.made_media import picture, wav
from tests.gateway.test_erasure import found, gone

LINE = "{image} 0 0 1 9 1 0 2 9 {label}"
"""The boxes are those in which the fake sees the first two people."""
PISC = [(f"{n}.jpg", n % 6) for n in range(12)]
LABELS = ("no-relation", "commercial", "professional", "couple", "family", "friends")
OWN = {"name": "own", "labels": [{"name": name, "definition": f"They are {name}."} for name in LABELS]}


def uploaded(stack: Stack, shows: str = "people=2") -> str:
    return stack.http.post("/v1/files", files={"file": ("photo.png", picture(shows))}).json()["id"]


def asked(stack: Stack, lines: list[tuple[str, int]] = PISC, **change: Any) -> dict[str, Any]:
    photos = {image: uploaded(stack) for image, _ in lines}
    annotations = "\n".join(LINE.format(image=image, label=label) for image, label in lines)
    return {"annotations": annotations, "photos": photos, "taxonomy": "pisc"} | change


def start(stack: Stack, body: dict[str, Any]) -> dict[str, Any]:
    answer = stack.http.post("/v1/evaluations", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_each_photo_is_told_once_for_all_its_pairs_and_they_are_judged(stack: Stack):
    lines = [(f"{n // 2}.jpg", n % 6) for n in range(12)]
    job = start(stack, asked(stack, lines))
    assert (job["input"]["photos"], job["input"]["stories"]) == (6, 12)
    done = stack.wait(job["id"])
    assert done["status"] == "succeeded", done
    assert stack.fakes.looks == 6 and done["output"]["n"] == 12 and done["warnings"] == []
    assert sorted(done["output"]["right"]) == sorted(f"{n}.jpg#{k}" for n in range(6) for k in (1, 2))
    assert sum(figures["n"] for figures in done["output"]["per_class"].values()) == 12
    assert (done["steps_done"], done["steps_total"]) == (18, 18)


def test_the_list_counts_the_labels_of_an_own_taxonomy_in_its_order(stack: Stack):
    job = start(stack, asked(stack, [*PISC, ("12.jpg", 1)], taxonomy=OWN))
    done = stack.wait(job["id"])
    counted = {name: figures["n"] for name, figures in done["output"]["per_class"].items()}
    assert counted == dict.fromkeys(LABELS, 2) | {"commercial": 3}


def test_killed_with_its_worker_it_goes_on_with_the_next_photo(stack: Stack):
    stack.fakes.look_s = 0.5
    job = start(stack, asked(stack))
    wait_for(lambda: stack.fakes.looks >= 3)
    stack.worker.kill()
    assert stack.fakes.looks < 12
    stack.fakes.look_s = 0.0
    stack.worker.start()
    done = stack.wait(job["id"])
    assert done["status"] == "succeeded" and done["output"]["n"] == 12
    assert 12 <= stack.fakes.looks <= 13  # the photo that was looked at when the worker died may be told twice


def test_canceled_while_photos_are_told_it_ends_and_leaves_the_photos(stack: Stack):
    stack.fakes.look_s = 1.0
    body = asked(stack)
    job = start(stack, body)
    wait_for(lambda: stack.job(job["id"])["stage"] == "telling")
    stack.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    assert stack.wait(job["id"])["status"] == "canceled"
    assert stack.fakes.looks < 12
    folder = f"jobs/{job['id']}"
    wait_for(lambda: {name for name in stack.stored() if job["id"] in name} == {folder, f"{folder}/question.json"})
    assert stack.http.get(f"/v1/files/{body['photos']['0.jpg']}").status_code == 200


def test_made_again_it_holds_its_photos_until_it_ends(stack: Stack):
    stack.fakes.look_s = 1.0
    body = asked(stack)
    job = start(stack, body)
    wait_for(lambda: stack.job(job["id"])["stage"] == "telling")
    stack.http.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    stack.wait(job["id"])
    again = stack.http.post(f"/v1/jobs/{job['id']}/repeat").raise_for_status().json()

    held = stack.http.delete(f"/v1/files/{body['photos']['11.jpg']}")
    assert (held.status_code, held.json()["code"]) == (409, "file_in_use")
    stack.fakes.look_s = 0.0
    done = stack.wait(again["id"])
    assert done["status"] == "succeeded" and done["output"]["n"] == 12


def test_a_photo_that_the_job_needs_is_kept_and_takes_what_was_judged_along(stack: Stack):
    stack.fakes.look_s = 1.0
    body = asked(stack)
    job = start(stack, body)
    first = f"/v1/files/{body['photos']['0.jpg']}"
    refused = stack.http.delete(first)
    assert (refused.status_code, refused.json()["code"]) == (409, "file_in_use")
    stack.fakes.look_s = 0.0
    assert stack.wait(job["id"])["status"] == "succeeded"
    assert stack.http.delete(first).status_code == 204
    assert stack.http.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_an_erased_evaluation_takes_the_names_of_its_photos_along(stack: Stack):
    job = start(stack, asked(stack, [(f"quince{n}.jpg", n % 6) for n in range(12)]))
    assert stack.wait(job["id"])["status"] == "succeeded"
    assert found(stack, "quince")
    assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204
    gone(stack, "quince")


def test_what_cannot_be_told_is_left_out_and_named(stack: Stack):
    body = asked(stack, [*PISC, ("torn.jpg", 0), ("crowd.jpg", 1)])
    body["photos"]["torn.jpg"] = uploaded(stack, "broken")
    body["annotations"] = body["annotations"].replace("crowd.jpg 0 0 1 9 1 0 2 9", "crowd.jpg 0 0 1 9 40 0 60 9")
    done = stack.wait(start(stack, body)["id"])
    assert done["status"] == "succeeded" and done["output"]["n"] == 12
    torn, crowd = done["warnings"]
    assert torn == "photos.torn.jpg: left out: photo: it cannot be decoded"
    assert "1 pairs are left out" in crowd


def test_where_no_photo_can_be_told_the_job_says_why(stack: Stack):
    body = asked(stack)
    body["photos"] = dict.fromkeys(body["photos"], uploaded(stack, "broken"))
    done = stack.wait(start(stack, body)["id"])
    assert (done["status"], done["error"]["code"], done["error"]["param"]) == ("failed", "invalid_request", "photos")
    assert "it cannot be decoded" in done["error"]["message"]


STORY = {"id": "1", "story": "<P1> hugs <P2>.", "pair": ["P1", "P2"], "label": "family"}
TOO_FEW = "\n".join(LINE.format(image="0.jpg", label=n) for n in range(6))


@pytest.mark.parametrize(
    ("change", "param", "rule"),
    [
        ({"stories": [STORY]}, "stories", "give one of the two"),
        ({"annotations": None}, "stories", "give one of the two"),
        ({"annotations": None, "stories": [STORY]}, "photos", "need annotations"),
        (
            {"annotations": None, "photos": None, "stories": [STORY]},
            "stories",
            "there are 1; 6 labels need at least 12",
        ),
        ({"photos": None}, "photos", "'0.jpg' of the annotations is not among them"),
        ({"photos": {"0.jpg": "nothing"}}, "photos.0.jpg", "does not exist"),
        ({"annotations": "0.jpg 0 0 1 9 1 0 2 9"}, "annotations", "annotations:1: it has 9 columns"),
        ({"annotations": TOO_FEW}, "annotations", "there are 6 pairs; 6 labels need at least 12"),
        ({"annotations": "\n"}, "annotations", "no line"),
        ({"photos": {"0.jpg": 5}}, "photos.0.jpg", "string"),
        ({"annotations": "0.jpg 0 0 1 9 1 0 2 9 6"}, "annotations", "label 6 is not one of 0 to 5"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_a_job_is_made(
    stack: Stack, change: dict[str, Any], param: str, rule: str
):
    answer = stack.http.post("/v1/evaluations", json=asked(stack) | change)
    assert (answer.status_code, answer.json()["param"]) == (422, param), answer.text
    assert rule in answer.json()["detail"]


def test_a_file_that_is_no_picture_is_refused(stack: Stack):
    body = asked(stack)
    body["photos"]["0.jpg"] = stack.http.post("/v1/files", files={"file": ("s.wav", wav(0.1))}).json()["id"]
    answer = stack.http.post("/v1/evaluations", json=body)
    assert (answer.status_code, answer.json()["param"]) == (415, "photos.0.jpg")
