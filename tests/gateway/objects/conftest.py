"""Both kinds of store: every test that asks for ``objects`` is run on each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.jobs.records import new_id
from gateway.objects.folder import Folder
from gateway.objects.port import Objects
from tests.gateway.s3 import S3, serve_s3


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3]:
    with serve_s3() as s3:
        yield s3


@pytest.fixture
def s3(s3_session: S3) -> Iterator[S3]:
    """It runs at the beginning of each test."""
    yield s3_session
    s3_session.settle()


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    """An empty store."""
    if request.param == "folder":
        return Folder(tmp_path / "store")
    return request.getfixturevalue("s3").objects(tmp_path, prefix=new_id())
