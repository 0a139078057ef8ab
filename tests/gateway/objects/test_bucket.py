"""What is different where the store is elsewhere."""

from pathlib import Path

import pytest

from gateway.jobs.records import new_id
from gateway.objects.port import StoreAwayError
from tests.gateway.s3 import S3


def test_machines_see_the_same_objects(s3: S3, tmp_path: Path):
    prefix = new_id()
    one, other = (s3.objects(tmp_path / machine, prefix) for machine in ("one", "other"))
    one.write("files/a", b"content")

    with other.copy("files/a") as path:
        assert path.read_bytes() == b"content"
    other.remove(["files/a"])

    assert not one.has("files/a")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # copies have no name


def test_a_prefix_keeps_installations_apart(s3: S3, tmp_path: Path):
    prefix = new_id()
    one, other = s3.objects(tmp_path, f"{prefix}/one"), s3.objects(tmp_path, f"/{prefix}/two/")
    one.write("files/a", b"x")
    other.write("files/b", b"x")

    assert [name for name, _ in one.under("files")] == ["a"]
    assert {name for name, _ in s3.contents() if prefix in name} == {f"{prefix}/one/files/a", f"{prefix}/two/files/b"}


def test_a_store_that_is_away_is_told_as_such_and_comes_back(s3: S3, tmp_path: Path):
    objects = s3.objects(tmp_path, new_id())
    objects.write("files/a", b"content")
    s3.stop()

    for ask in (
        objects.ping,
        lambda: objects.has("files/a"),
        lambda: objects.read("files/a"),
        lambda: objects.write("files/a", b"other"),
        lambda: list(objects.under("files")),
        lambda: objects.remove(["files/a"]),
    ):
        with pytest.raises(StoreAwayError, match="EndpointConnectionError"):
            ask()
    s3.start()

    objects.ping()
    assert objects.read("files/a") == b"content"


def test_a_bucket_that_is_not_there_makes_the_store_unready(s3: S3, tmp_path: Path):
    objects = s3.objects(tmp_path, bucket="nobodys")

    with pytest.raises(StoreAwayError, match="NoSuchBucket"):
        objects.ping()
    with pytest.raises(StoreAwayError, match="NoSuchBucket"):
        objects.write("files/a", b"")


def test_without_a_key_the_store_is_unready(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(StoreAwayError, match="NoCredentialsError"):
        s3.objects(tmp_path).ping()


def test_a_folder_that_is_cleared_while_it_moves_goes_with_what_is_left(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    objects = s3.objects(tmp_path, new_id())
    for name in ("question.json", "portrait.json"):
        objects.write(f"jobs/a/{name}", b"why")
    listed = list(objects.under("jobs/a"))
    objects.remove(["jobs/a/portrait.json"])
    with monkeypatch.context() as patch:
        patch.setattr(objects, "under", lambda _: iter(listed))  # as it was a moment ago

        assert objects.move_folder("jobs/a", "jobs/b") is True

    assert {name for name, _ in objects.under("jobs/b")} == {"question.json"}
