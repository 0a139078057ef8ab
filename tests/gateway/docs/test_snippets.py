"""Every command and program that README and docs show does what it shows, on the running gateway.

A page's own words are run as they stand; only the gateway's address and the webhook's are those of the test, names
such as ``$ID`` stand for things that are there, and the example files are ones that the fakes understand.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.access.guard import key_digest
from gateway.access.keys import Scope, hint, new_key
from gateway.access.secret import Secret
from services.common.settings import REPOSITORY
from tests.gateway.conftest import Stack, wait_for
from tests.gateway.docs.blocks import Block, blocks
from tests.gateway.fakes import CONSENT
from tests.gateway.made_media import picture, pictures, wav
from tests.gateway.test_prompts import PROMPT

PARSED_ONLY = {
    "./run demo": "installs packages and loads the real models",
    "RACONTEUR_LLM=http": "starts the stack with a language model that is elsewhere",
    "docker compose": "needs a Docker engine and builds images",
    "kubectl": "needs a Kubernetes cluster",
    "python -m services.": "a service's own verb: loads the real models, runs for minutes to hours",
}
"""What a block says -> why it is not run."""

RUN = ("sh", "python")
SHOWN = ("", "text")
"""Languages of blocks that nobody runs."""

GATEWAY, RECEIVER = "http://127.0.0.1:8000", "https://app.example/raconteur"
BLOCKS = [block for block in blocks() if block.language in RUN]

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq"))), reason="bash, curl or jq is not on this machine"
)


def reason_not_to_run(block: Block) -> str | None:
    return next((why for words, why in PARSED_ONLY.items() if words in block.text), None)


def test_every_block_is_of_a_language_that_is_run_or_only_shown():
    assert {block.language for block in blocks()} <= {*RUN, *SHOWN}


def test_nothing_is_excused_that_is_not_there_and_most_is_run():
    assert all(any(words in block.text for block in BLOCKS) for words in PARSED_ONLY)
    excused = [block for block in BLOCKS if reason_not_to_run(block)]
    assert len(excused) <= len(BLOCKS) / 2 and len(BLOCKS) - len(excused) >= 11


@needs_tools
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_is_written_without_a_slip(block: Block):
    if block.language == "python":
        ast.parse(block.text)
    else:
        subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


@needs_tools
@pytest.mark.parametrize("block", [block for block in BLOCKS if not reason_not_to_run(block)], ids=str)
def test_it_does_what_it_shows(block: Block, folder: Path, things: dict[str, Callable[[], str]], stack: Stack):
    text = block.text.replace(GATEWAY, str(stack.http.base_url).rstrip("/")).replace(RECEIVER, "http://127.0.0.1:9/")
    named = {name: make() for name, make in things.items() if f"${name}" in text}
    environment = (
        os.environ
        | named
        | {
            "PYTHONPATH": str(REPOSITORY),
            "RACONTEUR_URL": str(stack.http.base_url),
            "RACONTEUR_DATA_DIR": str(stack.settings.data_dir),
        }
    )
    command = [sys.executable, "-"] if block.language == "python" else ["bash"]
    done = subprocess.run(
        command,
        input=text if block.language == "python" else PRELUDE + text,
        cwd=folder,
        env=environment,
        text=True,
        errors="replace",
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


PRELUDE = """
set -euo pipefail
curl() { command curl --silent --show-error --fail-with-body "$@"; }  # a problem is a failure
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands in the project's folder, and what is the reader's own."""
    (tmp_path / "run").write_text(
        f'#!/bin/sh\n[ "$1" = raconteur ]; shift\nexec {sys.executable} -m gateway.cli "$@"\n'
    )
    (tmp_path / "run").chmod(0o755)
    examples = tmp_path / "examples"
    examples.mkdir()
    shutil.copy(REPOSITORY / "examples/stories.jsonl", examples)
    (examples / "photo.jpg").write_bytes(picture("people=3"))
    for portrait in (examples / "portrait.jpg", tmp_path / "me.jpg"):
        portrait.write_bytes(picture("a face"))
    for speech in (examples / "speech.wav", tmp_path / "my-voice.wav"):
        speech.write_bytes(wav(0.4))
    (tmp_path / "my-video.mp4").write_bytes(pictures(0, 15))
    return tmp_path


@pytest.fixture
def things(stack: Stack) -> Iterator[dict[str, Callable[[], str]]]:
    """Makes what a name in a block stands for. Afterwards nothing that a block began is left running."""

    def job() -> str:
        files, data = {"portrait": picture("a face")}, CONSENT | {"text": "Good morning."}
        return stack.wait(stack.http.post("/v1/videos", files=files, data=data).json()["id"])["id"]

    def stopped() -> str:
        stack.fakes.segment_s = 60
        job_id = stack.submit()["id"]
        stack.wait(job_id, "running")
        stack.http.post(f"/v1/jobs/{job_id}/cancel")
        stack.wait(job_id)
        stack.fakes.segment_s = 0
        return job_id

    def hook() -> str:
        return stack.http.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/"}).json()["id"]

    def message() -> str:
        job()
        places = [f"/v1/webhooks/{hook['id']}/messages" for hook in stack.http.get("/v1/webhooks").json()["webhooks"]]
        told = wait_for(lambda: [m for place in places for m in stack.http.get(place).json()["messages"]])
        return told[0]["id"]

    def key() -> tuple[str, str]:
        made = new_key()
        digest = key_digest(Secret(stack.settings), made)
        scopes = [Scope.READ, Scope.WRITE]
        return made, stack.database.keys.add("local", hint(made), digest, scopes, None).id

    yield {
        "ID": job,
        "STOPPED": stopped,
        "FILE": lambda: stack.http.post("/v1/files", files={"file": picture("a face")}).json()["id"],
        "PROMPT": lambda: stack.http.post("/v1/prompts", json=PROMPT).json()["id"],
        "HOOK": hook,
        "MESSAGE": message,
        "KEY": lambda: key()[0],
        "KEY_ID": lambda: key()[1],
        "A": lambda: str(stack.http.base_url).rstrip("/"),
    }
    for status in ("queued", "running"):
        for left in stack.http.get("/v1/jobs", params={"status": status, "limit": 200}).json()["jobs"]:
            stack.http.post(f"/v1/jobs/{left['id']}/cancel")
            stack.wait(left["id"])
    for left in stack.http.get("/v1/webhooks").json()["webhooks"]:
        stack.http.delete(f"/v1/webhooks/{left['id']}")
