"""What was erased is nowhere: not on disk, not in the database's bytes, not in the broker."""

from datetime import datetime

from tests.gateway.conftest import Stack, wait_for
from tests.gateway.fakes import CONSENT, picture, wav

SECRET = "the moon is made of quince jelly"  # noqa: S105 - something that nobody else writes


def broker_bytes(stack: Stack) -> bytes:
    """Every key and value."""
    return b"".join(key + (stack.broker.dump(key) or b"") for key in stack.broker.scan_iter())


def found(stack: Stack, needle: str) -> list[str]:
    """Where ``needle`` still is, but for the audit log, which keeps ids and hashes on purpose."""
    places = {
        "database": stack.database_bytes(),
        "broker": broker_bytes(stack),
        **{name: (stack.settings.data_dir / name).read_bytes() for name in stack.stored() if "." not in name[-6:]},
    }
    names = [name for name in stack.stored() if needle in name]
    return names + [place for place, content in places.items() if needle.encode() in content]


def gone(stack: Stack, *needles: str) -> None:
    wait_for(lambda: not any(found(stack, needle) for needle in needles), limit_s=90)


def test_a_job_that_is_erased_takes_all_of_it_along(stack: Stack):
    data = CONSENT | {"text": SECRET}
    files = {"portrait": (f"{SECRET}.png", picture("a face"))}
    job = stack.wait(stack.http.post("/v1/videos", files=files, data=data).json()["id"])
    assert "database" in found(stack, SECRET)

    assert stack.http.delete(f"/v1/jobs/{job['id']}").status_code == 204

    gone(stack, SECRET, job["input"]["portrait"], job["output"]["file_id"])


def test_a_file_that_is_erased_takes_what_was_made_of_it_along(stack: Stack):
    portrait = stack.http.post("/v1/files", files={"file": (f"{SECRET}.png", picture("a face"))}).json()["id"]
    ids = []
    for seconds in (0.3, 0.5):
        answer = stack.http.post("/v1/videos", data=CONSENT | {"portrait_id": portrait}, files={"speech": wav(seconds)})
        job = stack.wait(answer.json()["id"])
        ids += [job["output"]["file_id"], job["input"]["speech"]]
        last = job["id"]

    assert stack.http.delete(f"/v1/files/{portrait}").status_code == 204

    assert stack.http.get(f"/v1/jobs/{last}").status_code == 404
    assert stack.http.get(f"/v1/jobs/{last}/stream.m3u8").status_code == 404
    gone(stack, SECRET, portrait, *ids)


def test_how_long_a_file_and_a_job_are_kept_can_be_told(stack: Stack):
    file = stack.http.post("/v1/files", files={"file": wav(0.1)}, data={"expires_in_s": 60}).json()
    files = {"portrait": picture("a face"), "speech": wav(0.2)}
    job = stack.wait(stack.http.post("/v1/videos", files=files, data=CONSENT | {"expires_in_s": 90}).json()["id"])

    assert seconds_between(file["created_at"], file["expires_at"]) == 60
    assert seconds_between(job["finished_at"], job["expires_at"]) == 90
    refused = stack.http.post("/v1/files", files={"file": wav(0.1)}, data={"expires_in_s": 59})
    assert (refused.status_code, refused.json()["param"]) == (422, "expires_in_s")


def seconds_between(first: str, second: str) -> int:
    return round((datetime.fromisoformat(second) - datetime.fromisoformat(first)).total_seconds())
