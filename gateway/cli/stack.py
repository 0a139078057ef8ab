"""Finds a running stack, or starts one for a single call."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from gateway.client import Raconteur
from gateway.processes import StartError, end_with_parent, published_url
from gateway.settings import gateway_settings

URL_VARIABLE: Final = "RACONTEUR_URL"
KEY_VARIABLE: Final = "RACONTEUR_API_KEY"


@contextmanager
def connected(told: Console) -> Iterator[Raconteur]:
    """A client of the gateway at ``RACONTEUR_URL``, else of the stack that runs here, else of one that ends with us.

    It sends the key in ``RACONTEUR_API_KEY``. Raises ``StartError``. What is started is told on ``told``.
    """
    url = os.environ.get(URL_VARIABLE) or published_url(gateway_settings().data_dir)
    key = os.environ.get(KEY_VARIABLE)
    if url is not None:
        with Raconteur(url, key) as client:
            if URL_VARIABLE in os.environ or client.alive():
                yield client
                return
    with _started(told) as url, Raconteur(url, key) as client:
        yield client


@contextmanager
def _started(told: Console) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "up", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C comes to us; we stop it in good order
        preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - this process has one thread
    )
    try:
        told.print("No stack is running; starting one for this call (raconteur up keeps one).", style="dim")
        yield _wait_ready(process, told)
    finally:
        process.terminate()
        process.communicate()


def _wait_ready(process: subprocess.Popen[str], told: Console) -> str:
    lines = []
    with told.status("starting"):
        for line in process.stdout or []:
            if line.startswith("Raconteur is ready"):
                break
            lines.append(line.rstrip())
            told.print(f"  {line.rstrip()}", style="dim", highlight=False, markup=False)
    url = published_url(gateway_settings().data_dir)
    if url is None:
        raise StartError(lines[-1] if lines else "the stack did not start")
    return url
