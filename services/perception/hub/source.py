"""Where a checkpoint of the hub lies: a local folder, or a repository at one commit. Files are JSON and safetensors."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from services.common.errors import ProblemError
from services.common.registry import sha256_of

FILES: Final = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
"""All that is fetched of a repository: no pickle and no code."""

_PINNED: Final = re.compile(r"^([\w.-]+/[\w.-]+)@([0-9a-f]{40})$")


class HubEntry(BaseModel):
    """A repository at one commit, and the SHA-256 of files that are checked before they are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$", description="a commit: tags and branches can be moved")
    licence: str
    sha256: dict[str, str] = Field(default_factory=dict, description="file -> SHA-256")


@dataclass(frozen=True)
class Checkpoint:
    """A folder of the hub's layout; ``name`` tells it and its revision in answers."""

    folder: Path
    name: str

    @classmethod
    def of_entry(cls, entry: HubEntry, cache_dir: Path) -> Self:
        """Fetched once into the cache. Raises ``model_unavailable`` naming the repository or the file."""
        folder = _snapshot(entry.repository, entry.revision, cache_dir)
        for name, expected in entry.sha256.items():
            path = folder / name
            if not path.is_file():
                raise ProblemError("model_unavailable", f"model {entry.repository}: file {path} is missing")
            if (found := sha256_of(path)) != expected:
                raise ProblemError(
                    "model_unavailable", f"model {entry.repository}: sha256 of {path} is {found}, not {expected}"
                )
        return cls(folder, f"{entry.repository} {entry.revision[:12]}")

    @classmethod
    def named(cls, source: str, cache_dir: Path, *, param: str) -> Self:
        """``source``: a folder, or ``owner/name@commit``. Raises ``model_unavailable`` naming the setting."""
        if Path(source).is_dir():
            return cls(Path(source), Path(source).name)
        pinned = _PINNED.match(source)
        if pinned is None:
            raise ProblemError(
                "model_unavailable",
                f"{param}: {source!r} is no folder and not owner/name@commit with a commit of 40 hexadecimal digits",
                param=param,
            )
        repository, revision = pinned.groups()
        return cls(_snapshot(repository, revision, cache_dir), f"{repository} {revision[:12]}")

    def config(self) -> dict[str, Any]:
        """What ``config.json`` says."""
        path = self.folder / "config.json"
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProblemError("model_unavailable", f"model {self.name}: {path} cannot be read ({error})") from error
        if not isinstance(told, dict):
            raise ProblemError("model_unavailable", f"model {self.name}: {path} holds no JSON object")
        return told


def load_hub_registry(weights_dir: Path, profile: str) -> Mapping[str, HubEntry]:
    """role -> entry of a profile in ``weights/perception/hub.json``."""
    path = weights_dir / "perception" / "hub.json"
    try:
        profiles = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProblemError("model_unavailable", f"registry {path} cannot be read ({error})") from error
    if profile not in profiles:
        raise ProblemError("model_unavailable", f"profile {profile!r} is not one of {sorted(profiles)} in {path}")
    return {role: HubEntry.model_validate(entry) for role, entry in profiles[profile].items()}


def _snapshot(repository: str, revision: str, cache_dir: Path) -> Path:
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - of the extra "vision"
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: PLC0415

    try:
        folder = snapshot_download(repository, revision=revision, cache_dir=cache_dir / "hub", allow_patterns=FILES)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ProblemError(
            "model_unavailable", f"model {repository} at {revision} is neither in the cache nor to be had: {error}"
        ) from error
    return Path(folder)
