"""Pages that the site makes of the code itself: the API, the settings, the command line, the list of decisions."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from gateway.app import build_app
from gateway.settings import GatewaySettings
from services.common.settings import ServiceSettings
from services.perception.settings import PerceptionSettings
from services.reasoning.settings import ReasoningSettings
from services.talkinghead.settings import TalkingHeadSettings

_DOCS: Final = Path(__file__).parent
_REFERENCE: Final = _DOCS / "reference"
_SETTINGS: Final = {
    "Gateway and worker": GatewaySettings,
    "All services": ServiceSettings,
    "Perception": PerceptionSettings,
    "Reasoning": ReasoningSettings,
    "Talking head": TalkingHeadSettings,
}


def on_config(config: Any) -> Any:
    """Writes the pages before the site looks for them."""
    _REFERENCE.mkdir(exist_ok=True)
    pages = {
        "openapi.json": json.dumps(build_app().openapi()),
        "api.md": "# The API\n\n[The specification](openapi.json) as OpenAPI 3.1.\n\n[OAD(./openapi.json)]\n",
        "settings.md": _settings(),
        "command-line.md": _command_line(),
        "decisions.md": _decisions(),
    }
    for name, content in pages.items():
        (_REFERENCE / name).write_text(content, encoding="utf-8")
    return config


def _settings() -> str:
    rows = ["# Settings\n\nEach is an environment variable, read once at the start.\n"]
    for title, settings in _SETTINGS.items():
        rows += [f"\n## {title}\n", "| variable | default | what it is |", "|---|---|---|"]
        rows += [_row(name, field) for name, field in _own_fields(settings)]
    return "\n".join(rows)


def _own_fields(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    shared = {} if settings is ServiceSettings else ServiceSettings.model_fields
    for name, field in settings.model_fields.items():
        if name not in shared:
            yield name, field


def _row(name: str, field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, Path):
        default = default.name if default.is_absolute() else default
    told = "" if default is None else f"`{default}`"
    return f"| `RACONTEUR_{name.upper()}` | {told} | {field.description or ''} |"


def _command_line() -> str:
    asked = [
        sys.executable,
        "-m",
        "typer",
        "gateway.cli.main",
        "utils",
        "docs",
        "--name",
        "raconteur",
        "--title",
        "Command line",
    ]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout  # noqa: S603 - our own words


def _decisions() -> str:
    lines = ["# Decisions\n\nWhat was decided, and why; each says what else was weighed.\n"]
    for path in sorted((_DOCS / "decisions").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}](../decisions/{path.name})")
    return "\n".join(lines) + "\n"
