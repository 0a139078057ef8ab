"""Times the whole stack on one machine: start, one photo of four people, one talking video, memory.

    .venv/bin/python benchmarks/stack.py            prints a table; --json prints one object

Starts a stack of its own in an empty data folder, asks it over REST as any app would, and stops it.
"""

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.cli.main import EXAMPLE_CONSENT

ROOT: Final = Path(__file__).resolve().parents[1]
EXAMPLES: Final = ROOT / "examples"
FOUR_PEOPLE: Final = 4
SPEECH_S: Final = 5.0
_ROLES: Final = {
    "perception": "services.perception.app",
    "reasoning": "services.reasoning.app",
    "talkinghead": "services.talkinghead.app",
    "gateway": "gateway.app",
    "worker": "gateway.jobs.worker",
    "broker": "valkey",
    "supervisor": "raconteur up",
}
CONSENT = {"consent": json.dumps(EXAMPLE_CONSENT)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    if wanted.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in flat(figures):
            print(f"| {name} | {value} |")


def measure(folder: Path) -> dict[str, Any]:
    """Start a stack in ``folder``, measure, stop it."""
    began = time.perf_counter()
    with running_stack(folder) as url, httpx.Client(base_url=url, timeout=600) as api:
        figures: dict[str, Any] = {"machine": machine(), "start_s": round(time.perf_counter() - began, 1)}
        figures["idle_mb"] = memory_mb("VmRSS")
        boxes = four_largest_people(api)
        figures["relations_first"] = relations(api, boxes)
        figures["relations_again"] = relations(api, boxes)
        figures["video_first"] = video(api, folder)
        figures["video_again"] = video(api, folder)
        figures["busy_peak_mb"] = memory_mb("VmHWM")
    return figures


@contextmanager
def running_stack(folder: Path) -> Iterator[str]:
    """A stack of its own with ``folder``/data, ready -> its URL; it ends with the context."""
    port = 18437
    stack = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "up", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | {"RACONTEUR_DATA_DIR": str(folder / "data")},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as api:
            wait_until_ready(api, stack)
        yield f"http://127.0.0.1:{port}"
    finally:
        stack.send_signal(signal.SIGINT)
        stack.wait(timeout=60)


def wait_until_ready(api: httpx.Client, stack: subprocess.Popen[bytes]) -> None:
    """Raises ``SystemExit`` where the stack ends before it is ready."""
    while stack.poll() is None:
        try:
            if api.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    sys.exit(f"the stack ended with {stack.returncode} before it was ready")


def four_largest_people(api: httpx.Client) -> list[list[float]]:
    """Boxes of the four largest people of the example photo, from left to right."""
    with (EXAMPLES / "photo.jpg").open("rb") as photo:
        people = checked(api.post("/v1/stories", files={"photo": photo}))["people"]
    boxes = sorted((p["box"] for p in people), key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))[-FOUR_PEOPLE:]
    return sorted(boxes)


def relations(api: httpx.Client, boxes: list[list[float]]) -> dict[str, float]:
    """Photo of four people -> story and six relations: seconds in all and by stage."""
    began = time.perf_counter()
    with (EXAMPLES / "photo.jpg").open("rb") as photo:
        answer = checked(api.post("/v1/relations", files={"photo": photo}, data={"boxes": json.dumps(boxes)}))
    total_s = time.perf_counter() - began
    stages = {stage: round(seconds, 3) for stage, seconds in answer["timings_s"].items()}
    return {"pairs": len(answer["relations"]), "total_s": round(total_s, 2)} | stages


def video(api: httpx.Client, folder: Path) -> dict[str, float]:
    """Five seconds of speech -> video: seconds in all and by stage, frames per second made."""
    speech = folder / "speech.wav"
    with wave.open(str(EXAMPLES / "speech.wav")) as source, wave.open(str(speech), "wb") as cut:
        cut.setparams(source.getparams())
        cut.writeframes(source.readframes(int(SPEECH_S * source.getframerate())))
    began = time.perf_counter()
    with (EXAMPLES / "portrait.jpg").open("rb") as portrait, speech.open("rb") as sound:
        job = checked(api.post("/v1/videos", files={"portrait": portrait, "speech": sound}, data=CONSENT))
    while job["status"] in ("queued", "running"):
        time.sleep(0.1)
        job = checked(api.get(f"/v1/jobs/{job['id']}"))
    total_s = time.perf_counter() - began
    if job["status"] != "succeeded":
        sys.exit(f"the video job ended as {job['status']}: {job['error']}")
    frames = job["output"]["frames"]
    figures = {"frames": frames, "total_s": round(total_s, 2), "frames_per_s": round(frames / total_s, 2)}
    return figures | {f"{stage}_s": seconds for stage, seconds in job["output"]["timings_s"].items()}


def checked(response: httpx.Response) -> Any:
    """The JSON of a success. Raises ``SystemExit`` with the problem otherwise."""
    if not response.is_success:
        sys.exit(f"{response.request.method} {response.request.url.path}: {response.text}")
    return response.json()


def memory_mb(field: str) -> dict[str, int]:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of each role's processes, from /proc; shared pages count in each."""
    found = dict.fromkeys(_ROLES, 0)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            status = (process / "status").read_text()
        except OSError:
            continue  # it ended while we looked
        size = re.search(rf"{field}:\s+(\d+) kB", status)
        role = next((role for role, mark in _ROLES.items() if mark in command), None)
        if role and size:
            found[role] += int(size[1]) // 1024
    return found | {"whole_stack": sum(found.values())}


def machine() -> str:
    """What these figures were measured on."""
    names = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores {names[0] if names else platform.machine()}, Python {platform.python_version()}"


def flat(figures: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Nested names joined by a space."""
    rows: list[tuple[str, Any]] = []
    for name, value in figures.items():
        rows += flat(value, f"{above}{name} ") if isinstance(value, dict) else [(f"{above}{name}", value)]
    return rows


if __name__ == "__main__":
    main()
