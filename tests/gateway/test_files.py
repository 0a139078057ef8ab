"""/v1/files: nothing is trusted but the content, and a download can be taken up anywhere."""

import hashlib

import httpx
import pytest

from tests.gateway.conftest import Stack, on_every_store
from tests.gateway.made_media import picture, wav

pytestmark = on_every_store

CONTENT = wav(0.01)


@pytest.fixture
def file_id(stack: Stack) -> str:
    return stack.http.post("/v1/files", files={"file": ("../../etc/spéech.wav", CONTENT)}).json()["id"]


def get(stack: Stack, file_id: str, **headers: str) -> httpx.Response:
    return stack.http.get(f"/v1/files/{file_id}/content", headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_a_file_is_told_by_its_content(stack: Stack, file_id: str):
    told = stack.http.get(f"/v1/files/{file_id}").json()

    assert (told["name"], told["media_type"], told["size_bytes"]) == ("spéech.wav", "audio/wav", len(CONTENT))
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert told["expires_at"] > told["created_at"]


def test_a_download_is_an_attachment_that_no_browser_reinterprets(stack: Stack, file_id: str):
    answer = get(stack, file_id)

    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''sp%C3%A9ech.wav"
    assert get(stack, file_id, If_None_Match=answer.headers["ETag"]).status_code == 304


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, len(CONTENT) - 1),
        ("bytes=-5", len(CONTENT) - 5, len(CONTENT) - 1),
        ("bytes=4-99999999", 4, len(CONTENT) - 1),
    ],
)
def test_a_range_is_sent_alone(stack: Stack, file_id: str, asked: str, first: int, last: int):
    answer = get(stack, file_id, Range=asked)

    assert answer.status_code == 206
    assert answer.content == CONTENT[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "nonsense"])
def test_a_range_that_is_none_is_ignored(stack: Stack, file_id: str, asked: str):
    answer = get(stack, file_id, Range=asked)

    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(stack: Stack, file_id: str, asked: str):
    answer = get(stack, file_id, Range=asked)

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


def test_an_erased_file_is_gone(stack: Stack, file_id: str):
    assert stack.http.delete(f"/v1/files/{file_id}").status_code == 204

    assert get(stack, file_id).json()["code"] == "not_found"
    assert not any(file_id in name for name in stack.stored())


@pytest.mark.parametrize("content", [b"", b"plain text", b"%PDF-1.7", b"PK\x03\x04zip", b"<svg onload=alert(1)>"])
def test_what_is_no_media_is_refused_and_leaves_nothing(stack: Stack, content: bytes):
    before = stack.stored()

    answer = stack.http.post("/v1/files", files={"file": ("portrait.jpg", content, "image/jpeg")})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")
    assert stack.stored() == before


def test_too_large_an_upload_is_refused_while_it_arrives(stack: Stack):
    before = stack.stored()
    boundary = "xx"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="p.png"\r\n\r\n'.encode()

    def body():  # no Content-Length: only counting can tell
        yield head + picture("")
        for _ in range(9):
            yield bytes(1 << 20)
        yield f"\r\n--{boundary}--\r\n".encode()

    answer = stack.http.post(
        "/v1/files", content=body(), headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert stack.stored() == before
