"""Signed links."""

import time
from collections.abc import Callable

import httpx
import pytest

from gateway.access.links import Link
from gateway.access.secret import Secret
from tests.gateway.access.conftest import Guarded
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav

Caller = Callable[..., httpx.Client]


def upload(client: httpx.Client, content: bytes) -> str:
    return client.post("/v1/files", files={"file": content}).json()["id"]


def test_whoever_has_the_link_reads_the_file_until_it_expires(guarded: Guarded, caller: Caller):
    ann, stranger = caller("ann"), caller()
    content = wav(0.01)
    file_id = upload(ann, content)

    link = ann.post(f"/v1/files/{file_id}/links", json={"expires_in_s": 60}).json()["content"]

    assert stranger.get(link).content == content
    assert stranger.get(link, headers={"Range": "bytes=0-3"}).content == content[:4]
    record = next(key for key in guarded.stack.database.keys.all() if key.id in link)
    over = Link(f"/v1/files/{file_id}", record.id, int(time.time()) - 1)
    assert stranger.get(f"{over.resource}/content?{over.query(Secret(guarded.stack.settings))}").status_code == 401


def test_a_link_opens_one_thing_and_changes_nothing(caller: Caller):
    ann, stranger = caller("ann"), caller()
    first, second = upload(ann, wav(0.01)), upload(ann, wav(0.02))
    link = ann.post(f"/v1/files/{first}/links").json()["content"]
    query = link.partition("?")[2]

    assert stranger.get(f"/v1/files/{second}/content?{query}").status_code == 401
    assert stranger.get(f"/v1/files/{first}?{query}").status_code == 401
    assert stranger.delete(f"/v1/files/{first}?{query}").status_code == 401
    assert stranger.get(f"/v1/jobs?{query}").status_code == 401
    assert stranger.post(f"/v1/files/{first}/links?{query}").status_code == 401
    assert stranger.post(link).status_code == 403


@pytest.mark.parametrize(
    ("part", "value"),
    [("expires", "9999999999"), ("expires", "-1"), ("expires", "٣"), ("key", "local"), ("signature", "0" * 64)],
)
def test_a_changed_link_is_refused(caller: Caller, part: str, value: str):
    ann = caller("ann")
    link = httpx.URL(ann.post(f"/v1/files/{upload(ann, wav(0.01))}/links").json()["content"])

    assert caller().get(link.copy_set_param(part, value)).status_code == 401


def test_a_link_dies_with_its_key(guarded: Guarded):
    key, record = guarded.key("ann")
    with httpx.Client(base_url=guarded.url) as client:
        headers = {"X-API-Key": key}
        file_id = client.post("/v1/files", files={"file": wav(0.01)}, headers=headers).json()["id"]
        link = client.post(f"/v1/files/{file_id}/links", headers=headers).json()["content"]
        assert client.get(link).status_code == 200

        guarded.stack.database.keys.revoke(record.id)

        assert client.get(link).status_code == 401


def test_a_job_is_shared_with_its_stream_and_events(guarded: Guarded, caller: Caller):
    ann, stranger = caller("ann"), caller()
    files = {"portrait": picture("a face"), "speech": wav(0.6)}
    job_id = ann.post("/v1/videos", files=files, data=CONSENT).json()["id"]

    links = ann.post(f"/v1/jobs/{job_id}/links").json()

    assert '"status":"succeeded"' in stranger.get(links["events"]).text
    assert stranger.get(links["content"]).content[4:8] == b"ftyp"
    assert stranger.get(links["captions"]).json()["code"] == "not_found"  # let in; a recorded voice has none
    playlist = stranger.get(links["stream"])
    assert playlist.text.endswith("#EXT-X-ENDLIST\n")
    pieces = [line for line in playlist.text.splitlines() if line.startswith("stream/")]
    assert len(pieces) == 2
    for piece in pieces:
        assert stranger.get(playlist.url.join(piece)).content[4:8] == b"moof"
        assert stranger.get(playlist.url.join(piece.partition("?")[0])).status_code == 401


def test_a_link_lasts_a_week_at_most(caller: Caller):
    ann = caller("ann")
    file_id = upload(ann, wav(0.01))

    answer = ann.post(f"/v1/files/{file_id}/links", json={"expires_in_s": 604801})
    assert (answer.status_code, answer.json()["param"]) == (422, "expires_in_s")
