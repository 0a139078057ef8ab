"""The product as a user starts it: ``raconteur up`` with every real part, in an empty data folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gateway.client import Raconteur
from services.common.settings import REPOSITORY

START_LIMIT_S = 280.0


@dataclass(frozen=True)
class RunningStack:
    """``process`` is the supervisor; what it said while starting is in ``said``."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]
    said: list[str]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An empty home, an empty data folder, an empty cache."""
    folder = tmp_path_factory.mktemp("stack")
    return os.environ | {
        "HOME": str(folder),
        "RACONTEUR_DATA_DIR": str(folder / "data"),
        "RACONTEUR_CACHE_DIR": str(folder / "cache"),
    }


@pytest.fixture(scope="session")
def stack(environment: dict[str, str]) -> Iterator[RunningStack]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "up", "--port", "0"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    try:
        for line in process.stdout or []:
            said.append(line.rstrip())
            if line.startswith("Raconteur is ready at "):
                break
        else:
            pytest.fail("the stack did not start:\n" + "\n".join(said))
        yield RunningStack(said[-1].split()[4], Path(environment["RACONTEUR_DATA_DIR"]), process, said)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.fixture(scope="session")
def client(stack: RunningStack) -> Iterator[Raconteur]:
    with Raconteur(stack.url) as client:
        yield client


@pytest.fixture(scope="session")
def http(stack: RunningStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=300) as http:
        yield http
