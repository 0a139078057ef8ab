"""What the gateway leans on goes away for a while, or says a thing twice."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.chaos.house import House, house, wait_for
from tests.chaos.network import Network, can_be_cut, network
from tests.gateway.made_media import wav
from tests.gateway.store.conftest import POSTGRES, empty

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]

Recovered = Callable[[str, float], None]

_DISK = "size=24m"


def test_a_broker_that_is_wiped_in_the_middle(place: House, recovered: Recovered):
    place.start(segment_s=0.2)
    jobs = [place.submit() for _ in range(10)]
    place.wait_for_one_to_run(jobs)
    began = time.monotonic()
    place.wipe_broker()

    assert place.settle(jobs) == {"succeeded": 10}
    recovered("wipe_broker: ten jobs are done", time.monotonic() - began)


def test_a_broker_that_dies_and_comes_back(place: House, recovered: Recovered):
    place.start(segment_s=0.2)
    before = [place.submit() for _ in range(3)]
    place.stop_broker()
    accepted = [place.submit() for _ in range(3)]
    assert place.http.get("/readyz").json()["parts"]["broker"] != "ready"
    began = time.monotonic()
    place.start_broker()
    wait_for(place.gateway_is_ready, 15)

    assert place.settle(before + accepted) == {"succeeded": 6}
    recovered("stop_broker: six jobs are done after its return", time.monotonic() - began)


def test_a_message_that_comes_three_times(place: House):
    place.start(segment_s=0.3)
    job = place.submit()
    place.duplicate_message(job)

    assert place.settle([job]) == {"succeeded": 1}
    assert place.row(job).attempt == 1


def test_a_worker_that_is_frozen_for_longer_than_its_lease(place: House, recovered: Recovered):
    place.start(segment_s=0.5)
    job = place.submit(seconds=4.0)
    holder = place.holder(job)
    before, began = place.row(job), time.monotonic()
    holder.freeze()
    place.wait_taken_up(job, before)
    recovered("freeze: another has its job", time.monotonic() - began)
    holder.thaw()

    assert place.settle([job]) == {"succeeded": 1}
    assert place.row(job).attempt == 2
    wait_for(lambda: holder.logged("job_left", job))


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param(
            "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="RACONTEUR_TEST_POSTGRES names no database")
        ),
    ],
)
def far(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Network]]:
    """A house whose broker, service and PostgreSQL lie behind a network."""
    if os.geteuid() != 0 or not can_be_cut():
        pytest.skip("only root on Linux may cut a network")
    url = in_schema(str(POSTGRES), "far") if request.param == "postgresql" else None
    with network() as between, house(tmp_path_factory.mktemp("far"), url, between) as made:
        yield made, between


def in_schema(url: str, name: str) -> str:
    """An empty place of its own in the database: two houses must not take each other's jobs."""
    engine = sa.create_engine(url)
    with engine.begin() as sql:
        sql.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {name}"))
    engine.dispose()
    there = sa.make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
    empty(there.render_as_string(hide_password=False))
    return there.render_as_string(hide_password=False)


@pytest.mark.parametrize("seconds", [5, 30])
def test_a_network_that_is_cut(far: tuple[House, Network], seconds: int, recovered: Recovered):
    place, between = far
    between.heal()
    place.start(segment_s=0.5)
    jobs = [place.submit(seconds=2.0) for _ in range(3)]
    place.wait_for_one_to_run(jobs)
    between.cut()
    began = time.monotonic()
    wait_for(lambda: not place.gateway_is_ready(), 30)
    assert place.http.get("/livez").is_success
    time.sleep(max(0, seconds - (time.monotonic() - began)))
    between.heal()
    began = time.monotonic()
    wait_for(place.gateway_is_ready, 60)
    recovered(f"cut_network for {seconds} s: ready after it is mended", time.monotonic() - began)

    assert place.settle(jobs) == {"succeeded": 3}
    recovered(f"cut_network for {seconds} s: three jobs are done", time.monotonic() - began)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Path]]:
    """A house whose files and database are on a disk of 24 MB, and a place on it."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "data").mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", _DISK, "tmpfs", str(folder / "data")]
    if subprocess.run(mounted, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a small disk")
    try:
        with house(folder, None) as made:
            yield made, folder / "data" / "ballast"
    finally:
        subprocess.run(["umount", str(folder / "data")], check=True)


def test_a_disk_that_is_full(small: tuple[House, Path], recovered: Recovered):
    place, ballast = small
    place.start(segment_s=0.5)
    job = place.submit(seconds=2.0)
    wait_for(lambda: place.row(job).steps_done >= 1)
    fill(ballast)
    refused = place.http.post("/v1/files", files={"file": wav(0.2)})
    assert (refused.status_code, refused.json()["code"]) in [(503, "storage_full"), (503, "service_unavailable")]
    assert int(refused.headers["Retry-After"]) > 0
    assert place.http.get("/livez").is_success
    time.sleep(4)
    ballast.unlink()
    began = time.monotonic()
    wait_for(lambda: place.http.post("/v1/files", files={"file": wav(0.2)}).status_code == 201, 30)
    recovered("fill_disk: uploads are taken again", time.monotonic() - began)

    assert place.settle([job, place.submit()]) == {"succeeded": 2}
    recovered("fill_disk: two jobs are done", time.monotonic() - began)


def test_a_disk_that_stays_full_fails_the_job_and_says_why(small: tuple[House, Path]):
    """The database is elsewhere in real life; here SQLite needs the space of one page to say so."""
    place, ballast = small
    place.start(segment_s=0.5)
    job = place.submit(seconds=2.0)
    wait_for(lambda: place.row(job).steps_done >= 1)
    fill(ballast)
    time.sleep(60)
    ballast.unlink()
    row = place.wait(job)

    assert row.status == "succeeded" or row.error["code"] in ("storage_full", "attempts_exhausted")


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 14))
        except OSError:
            pass
