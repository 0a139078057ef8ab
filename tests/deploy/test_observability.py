"""Alerts and dashboard ask for what the code counts."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from gateway.app import build_app
from gateway.settings import GatewaySettings
from services.common.settings import REPOSITORY

FOLDER: Final = REPOSITORY / "deploy" / "observability"
PROMTOOL: Final = shutil.which("promtool")
_NAME = re.compile(r"\braconteur_[a-z_]+\b")


def named(text: str) -> set[str]:
    return {re.sub(r"_(total|sum|count|bucket)$", "", name) for name in _NAME.findall(text)}


def defined() -> set[str]:
    """Names in the code; what a collector makes is written out there, too."""
    sources = [path for root in ("gateway", "services") for path in (REPOSITORY / root).rglob("*.py")]
    return {
        re.sub(r"_total$", "", name)
        for path in sources
        for name in re.findall(r'"(raconteur_[a-z_]+)"', path.read_text("utf-8"))
    }


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
def test_every_metric_that_is_asked_for_exists(file: str):
    asked = named((FOLDER / file).read_text("utf-8"))
    assert len(asked) > 4
    assert asked <= defined()


def test_every_metric_of_the_code_is_on_the_dashboard_or_in_an_alert_or_detail():
    shown = named((FOLDER / "dashboard.json").read_text("utf-8") + (FOLDER / "alerts.yml").read_text("utf-8"))
    detail = {"raconteur_model_wait_seconds", "raconteur_model_abandoned_requests", "raconteur_unet_batch_frames"}
    assert defined() - shown - detail <= {"raconteur_webhook_tries"}


def test_panels_do_not_overlap():
    places = [panel["gridPos"] for panel in json.loads((FOLDER / "dashboard.json").read_text("utf-8"))["panels"]]
    assert len({(place["x"], place["y"]) for place in places}) == len(places)


@pytest.mark.skipif(PROMTOOL is None, reason="there is no promtool on this machine")
@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts-test.yml"],
        ["check", "config", "--syntax-only", "prometheus.yml"],
    ],
)
def test_prometheus_accepts_rules_and_configuration(command: list[str]):
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_gateway_shows_is_what_prometheus_reads(tmp_path: Path):
    """Promtool lints the names, the units and the help of everything at once."""
    if PROMTOOL is None:
        pytest.skip("there is no promtool on this machine")
    from fastapi.testclient import TestClient  # noqa: PLC0415 - needed here alone

    settings = GatewaySettings(data_dir=tmp_path, redis_url="redis://127.0.0.1:9/0", keys_required=False)
    app = build_app(settings)
    app.state.parts.database.create_schema()
    told = TestClient(app, client=("127.0.0.1", 1), base_url="http://127.0.0.1").get("/metrics")
    assert told.status_code == 200
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=told.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
