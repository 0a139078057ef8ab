"""Dashboard and alerts before a real Prometheus that watches the real stack at work."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import yaml

from gateway.cli.main import EXAMPLE_CONSENT
from gateway.client import Raconteur
from gateway.processes import free_ports
from services.common.settings import REPOSITORY
from tests.gateway.conftest import wait_for
from tests.stack.conftest import RunningStack

PROMETHEUS: Final = shutil.which("prometheus")
NVIDIA: Final = shutil.which("nvidia-smi")
FOLDER: Final = REPOSITORY / "deploy" / "observability"
EXAMPLES: Final = REPOSITORY / "examples"
SCRAPES_S: Final = 1
WITHOUT_GPU: Final = {"raconteur_gpu_memory_used_bytes", "raconteur_gpu_memory_bytes"}
"""Nothing to show where there is none."""

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(PROMETHEUS is None, reason="there is no prometheus on this machine"),
]


@pytest.fixture(scope="module")
def prometheus(
    stack: RunningStack, client: Raconteur, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """It has watched, with our own configuration, a photo being related twice and a portrait talking."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(stack)))
    shutil.copy(FOLDER / "alerts.yml", folder)
    (port,) = free_ports(1)
    command = [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command), f"--web.listen-address=127.0.0.1:{port}"], cwd=folder, stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            wait_for(lambda: reachable(http) and len(values(http, "up == 1")) == 4)
            work(client)
            ended = 'increase(raconteur_jobs_ended_total{kind="video",status="succeeded"}[1h]) > 0'
            wait_for(lambda: values(http, ended))  # what was added is read; the stack may have worked before
            yield http
    finally:
        process.terminate()
        process.wait(30)


def configuration(stack: RunningStack) -> dict[str, Any]:
    """Ours, with the addresses that ``raconteur up`` told, and without the key that the loopback does not need."""
    told: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    addresses = {line.split()[0]: line.split("//")[1] for line in stack.said if "ready" in line and "//" in line}
    for scraped in told["scrape_configs"]:
        scraped.pop("authorization", None)
        part = scraped["job_name"].removeprefix("raconteur-")
        scraped["static_configs"] = [{"targets": [addresses[part]]}]
    told["global"] = {"scrape_interval": f"{SCRAPES_S}s", "evaluation_interval": f"{SCRAPES_S}s"}
    return told


def work(client: Raconteur) -> None:
    for _ in range(2):
        client.relations(EXAMPLES / "photo.jpg", pairs=[("P1", "P2")], explain=False)
    job = client.video(EXAMPLES / "portrait.jpg", EXAMPLE_CONSENT, text="Good morning to all of you.")
    client.wait(job.id)


def reachable(http: httpx.Client) -> bool:
    try:
        return http.get("/-/ready").is_success
    except httpx.TransportError:
        return False


def values(http: httpx.Client, expression: str) -> list[float]:
    """What an expression gives now; NaN, the share of nothing, is no value."""
    answer = http.post("/api/v1/query", data={"query": expression})
    assert answer.is_success, f"{expression}: {answer.text}"
    found = [float(sample["value"][1]) for sample in answer.json()["data"]["result"]]
    return [value for value in found if not math.isnan(value)]


def expected_empty(expression: str) -> bool:
    return NVIDIA is None and any(name in expression for name in WITHOUT_GPU)


def panels() -> list[tuple[str, str]]:
    """Title of the panel and what it asks, with Grafana's own variable filled in."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    asked = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    return [(title, expression.replace("$__rate_interval", "5m")) for title, expression in asked]


@pytest.mark.parametrize(("title", "expression"), panels())
def test_every_panel_shows_something(prometheus: httpx.Client, title: str, expression: str):
    shown = values(prometheus, expression)
    assert expected_empty(expression) != bool(shown), title


def test_what_was_made_is_what_is_shown(prometheus: httpx.Client):
    by_title = dict(panels())
    stages = prometheus.post("/api/v1/query", data={"query": by_title["Time per stage, mean"]}).json()["data"]["result"]
    assert {"detect", "score", "draft", "encode"} <= {sample["metric"]["stage"] for sample in stages}
    assert 0 < max(values(prometheus, by_title["Cache hits"])) <= 1  # the photo was known the second time
    assert values(prometheus, "sum(raconteur_video_frames_total)")[0] > 25


def test_every_alert_can_be_judged_and_none_of_a_healthy_stack_fires(prometheus: httpx.Client):
    (group,) = prometheus.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}, group
    assert not [rule for rule in group["rules"] if rule["state"] == "firing"]
    for rule in group["rules"]:
        for metric in set(re.findall(r"\b(?:raconteur_\w+|up)\b", rule["query"].replace("raconteur.*", ""))):
            assert expected_empty(metric) != bool(values(prometheus, metric)), (rule["name"], metric)
