"""The container files: what they promise is read without an engine; that they run is tried where there is one."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import yaml

from gateway.cli.main import EXAMPLE_CONSENT
from gateway.client import Raconteur
from services.common.settings import REPOSITORY

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
GPU_FILE = REPOSITORY / "compose.gpu.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
DOCKERFILES = sorted([REPOSITORY / "gateway/Dockerfile", *REPOSITORY.glob("services/*/Dockerfile")])
PROJECT = "raconteur-test"


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of each step, continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]
    steps = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(step.split(maxsplit=1)[0], step.split(maxsplit=1)[1]) for step in steps]


def compose(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "compose", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"POSTGRES_PASSWORD": "only-for-this-test"} | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def missing_compose() -> str | None:
    """Why ``docker compose`` cannot be tried here."""
    if shutil.which("docker") is None:
        return "no docker command"
    return None if compose("version").returncode == 0 else "docker has no compose plugin"


def missing_engine() -> str | None:
    """Why the whole stack cannot be tried here."""
    if os.environ.get("RACONTEUR_TEST_COMPOSE") != "1":
        return "builds all images and takes many minutes; set RACONTEUR_TEST_COMPOSE=1"
    reason = missing_compose()
    if reason is None and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no docker engine answers"
    return reason


class TestComposeFile:
    def test_holds_gateway_worker_three_services_broker_and_database(self):
        assert set(SERVICES) == {"gateway", "worker", "perception", "reasoning", "talkinghead", "redis", "postgres"}

    @pytest.mark.parametrize("name", SERVICES)
    def test_each_part_says_when_it_is_ready(self, name: str):
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")

    def test_only_the_gateway_is_published_and_only_to_this_host(self):
        published = {name: part["ports"] for name, part in SERVICES.items() if "ports" in part}
        assert list(published) == ["gateway"]
        assert all(port.startswith("127.0.0.1:") for port in published["gateway"])

    @pytest.mark.parametrize("name", SERVICES)
    def test_only_the_gateway_reaches_beyond_the_inner_network(self, name: str):
        outside = set(SERVICES[name]["networks"]) - {"inside"}
        assert outside == ({"outside"} if name == "gateway" else set())

    @pytest.mark.parametrize("name", SERVICES)
    def test_each_part_runs_without_privileges_on_a_read_only_root(self, name: str):
        part = SERVICES[name]
        assert part["read_only"] is True
        assert part["cap_drop"] == ["ALL"]
        assert part["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in part
        assert "cap_add" not in part

    def test_each_part_waits_until_what_it_needs_is_healthy(self):
        for part in SERVICES.values():
            for needed in part.get("depends_on", {}).values():
                assert needed == {"condition": "service_healthy"}
        needs = {name: set(part.get("depends_on", ())) for name, part in SERVICES.items()}
        assert needs["gateway"] == {"postgres", "redis", "perception", "reasoning", "talkinghead"}
        assert needs["worker"] == {"gateway"}

    @pytest.mark.parametrize("name", ["perception", "reasoning", "talkinghead"])
    def test_gateway_and_worker_call_a_service_where_it_listens(self, name: str):
        exposed = dict(instructions(REPOSITORY / "services" / name / "Dockerfile"))["EXPOSE"]
        for caller in ("gateway", "worker"):
            assert SERVICES[caller]["environment"][f"RACONTEUR_{name.upper()}_URL"] == f"http://{name}:{exposed}"

    def test_gateway_and_worker_share_image_and_files(self):
        assert SERVICES["worker"]["image"] == SERVICES["gateway"]["image"]
        assert SERVICES["worker"]["volumes"] == SERVICES["gateway"]["volumes"]

    def test_the_broker_keeps_its_messages_and_answers_other_containers(self):
        options = SERVICES["redis"]["command"][1:]
        given = dict(zip(options[::2], options[1::2], strict=True))
        assert given["--appendonly"] == "yes"
        assert given["--protected-mode"] == "no"

    def test_no_password_stands_in_the_files(self):
        text = COMPOSE_FILE.read_text() + GPU_FILE.read_text()
        assert set(re.findall(r"PASSWORD: (\S+)", text)) == {"${POSTGRES_PASSWORD:?set"}


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
class TestDockerfile:
    def test_needs_no_buildkit(self, dockerfile: Path):
        for instruction, arguments in instructions(dockerfile):
            assert not (instruction == "RUN" and "--mount" in arguments)
            assert not (instruction == "COPY" and ("--chmod" in arguments or "--link" in arguments))

    def test_its_process_is_not_root(self, dockerfile: Path):
        users = [arguments for instruction, arguments in instructions(dockerfile) if instruction == "USER"]
        assert users == ["raconteur"]

    def test_what_it_copies_exists(self, dockerfile: Path):
        for instruction, arguments in instructions(dockerfile):
            if instruction == "COPY":
                *sources, _ = [word for word in arguments.split() if not word.startswith("--")]
                assert [source for source in sources if not (REPOSITORY / source).exists()] == []

    def test_takes_no_other_service_into_its_image(self, dockerfile: Path):
        copied = " ".join(arguments for instruction, arguments in instructions(dockerfile) if instruction == "COPY")
        whole = set(re.findall(r"services/([a-z]+)(?= )", copied)) - {"common"}
        assert whole == ({dockerfile.parent.name} - {"gateway"})


@pytest.mark.container
class TestCompose:
    @pytest.fixture(autouse=True)
    def _compose(self) -> None:
        if reason := missing_compose():
            pytest.skip(reason)

    @pytest.mark.parametrize("files", [[COMPOSE_FILE], [COMPOSE_FILE, GPU_FILE]], ids=["cpu", "gpu"])
    def test_reads_the_files(self, files: list[Path]):
        done = compose(*(word for file in files for word in ("--file", str(file))), "config", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")

    def test_refuses_to_start_without_a_password(self):
        done = compose("--env-file", os.devnull, "config", "--quiet", environment={"POSTGRES_PASSWORD": ""})
        assert done.returncode != 0
        assert "POSTGRES_PASSWORD" in done.stderr


@pytest.mark.container
@pytest.mark.timeout(3600)
class TestStack:
    """Both main jobs through the published port of a stack that was built from this checkout."""

    @pytest.fixture(scope="class")
    def client(self) -> Iterator[Raconteur]:
        if reason := missing_engine():
            pytest.skip(reason)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        project = ("--project-name", PROJECT)
        try:
            up = compose(*project, "up", "--build", "--detach", "--wait", environment={"RACONTEUR_PORT": port})
            assert up.returncode == 0, up.stderr + compose(*project, "logs", "--tail", "20").stdout
            made = compose(*project, "exec", "-T", "gateway", "python", "-m", "gateway.cli", "keys", "create", "test")
            with Raconteur(f"http://127.0.0.1:{port}", made.stdout.strip()) as client:
                yield client
        finally:
            compose(*project, "down", "--volumes")

    def test_photo_to_relations(self, client: Raconteur):
        answer = client.relations(REPOSITORY / "examples/photo.jpg")
        assert len(answer.people) >= 2
        for relation in answer.relations:
            assert sum(relation.probabilities.values()) == pytest.approx(1, abs=1e-3)

    def test_portrait_and_speech_to_a_video_although_the_worker_is_killed(self, client: Raconteur, tmp_path: Path):
        speech = REPOSITORY / "examples/speech.wav"
        job = client.video(REPOSITORY / "examples/portrait.jpg", EXAMPLE_CONSENT, speech=speech)
        killed = False
        for state in client.follow(job.id):
            job = state
            if job.stage == "segments" and job.steps_done >= 1 and not killed:
                killed = compose("--project-name", PROJECT, "kill", "worker").returncode == 0
                compose("--project-name", PROJECT, "up", "--detach", "--no-recreate", "worker")
        assert killed
        assert (job.status, job.attempt) == ("succeeded", 2)

        client.download(job.id, tmp_path / "video.mp4")
        with av.open(tmp_path / "video.mp4") as video, av.open(speech) as sound:
            assert [stream.codec_context.name for stream in video.streams] == ["h264", "aac"]
            seconds = sound.streams.audio[0].duration * sound.streams.audio[0].time_base
            frames = sum(1 for _ in video.decode(video=0))
            assert frames / 25 == pytest.approx(float(seconds), abs=0.04)
