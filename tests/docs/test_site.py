"""The documentation as a site."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.app import build_app
from services.common.settings import REPOSITORY

_LOADED = re.compile(
    r'<(?:script|img|iframe|source|video|link(?=[^>]*stylesheet))\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]+)"'
    r'|(class="mermaid")'  # for which the theme fetches a script
)
"""What a page loads from another place."""


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_shows_every_endpoint(tmp_path: Path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (built.returncode, built.stderr.strip()) == (0, "")
    api = re.sub(r"<[^>]+>", "", (tmp_path / "reference/api/index.html").read_text("utf-8"))
    missing = [path for path in build_app().openapi()["paths"] if path not in api]
    assert not missing
    elsewhere = {
        f"{page.relative_to(tmp_path)}: {address}"
        for page in tmp_path.rglob("*.html")
        for address in _LOADED.findall(page.read_text("utf-8"))
    }
    assert not elsewhere  # the site works without a network
    assert "RACONTEUR_DATA_DIR" in (tmp_path / "reference/settings/index.html").read_text("utf-8")
    assert "raconteur talk" in (tmp_path / "reference/command-line/index.html").read_text("utf-8")
