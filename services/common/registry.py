"""Which model files a profile uses, where they are, and proof that they are what they should be.

``weights/<service>/models.json`` maps profile -> role -> entry. A file in ``weights/`` is checked against its SHA-256
before it is read. A model that comes as data inside installed packages is joined once into the cache; the packages are
located by their metadata and never imported.
"""

import hashlib
import importlib.metadata
import json
import os
import tempfile
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.errors import ProblemError

_BLOCK_BYTES = 1 << 20


class PackageParts(BaseModel):
    """Data files of installed distributions that, joined in this order, are one model file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    distributions: list[str] = Field(min_length=1)
    version: str
    suffix: str = Field(description="ending of the data file's name inside each distribution, such as .bin")


class ModelEntry(BaseModel):
    """One model: where its bytes are, their SHA-256, and under which licence from where they came."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    file: str | None = Field(None, description="path below weights/<service>/")
    parts: PackageParts | None = None
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str
    source: str
    revision: str

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.file is None) == (self.parts is None):
            raise ValueError(f"model {self.name}: give either 'file' or 'parts'")
        return self


def load_registry(weights_dir: Path, service: str, profile: str) -> dict[str, ModelEntry]:
    """role -> entry of one service and profile. Raises ``model_unavailable`` where file or profile is missing."""
    path = weights_dir / service / "models.json"
    try:
        profiles = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProblemError("model_unavailable", f"registry {path} does not exist", param="weights_dir") from None
    except ValueError as error:
        raise ProblemError("model_unavailable", f"registry {path} is damaged: {error}", param="weights_dir") from None
    if profile not in profiles:
        raise ProblemError(
            "model_unavailable", f"profile {profile!r} is not one of {sorted(profiles)}", param="profile"
        )
    return {role: ModelEntry.model_validate(entry) for role, entry in profiles[profile].items()}


def model_path(entry: ModelEntry, weights_dir: Path, service: str, cache_dir: Path) -> Path:
    """Path of the verified file. Raises ``model_unavailable`` naming the file that is missing or altered."""
    if entry.file is not None:
        path = _present(entry, weights_dir / service / entry.file)
        _verify(path, entry)
        return path
    assert entry.parts is not None  # noqa: S101 - one of the two, by the validator
    return _join(entry, entry.parts, cache_dir)


def verified_folder(weights_dir: Path, service: str, profile: str) -> Path:
    """``weights/<service>``, each file that its registry names checked. Raises ``model_unavailable`` as above."""
    for entry in load_registry(weights_dir, service, profile).values():
        if entry.file is None:
            raise ProblemError("model_unavailable", f"model {entry.name}: it is no file of {weights_dir / service}")
        _verify(_present(entry, weights_dir / service / entry.file), entry)
    return weights_dir / service


def sha256_of(path: Path) -> str:
    """Of the file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _present(entry: ModelEntry, path: Path) -> Path:
    if not path.is_file():
        raise ProblemError("model_unavailable", f"model {entry.name}: file {path} is missing")
    return path


def _verify(path: Path, entry: ModelEntry) -> None:
    found = sha256_of(path)
    if found != entry.sha256:
        raise ProblemError("model_unavailable", f"model {entry.name}: sha256 of {path} is {found}, not {entry.sha256}")


def _join(entry: ModelEntry, parts: PackageParts, cache_dir: Path) -> Path:
    target = cache_dir / "models" / f"{entry.sha256[:16]}-{entry.name}"
    if target.is_file():
        _verify(target, entry)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".joining-")
    try:
        with os.fdopen(descriptor, "wb") as joined:
            for distribution in parts.distributions:
                with _part(entry, distribution, parts).open("rb") as stream:
                    while block := stream.read(_BLOCK_BYTES):
                        digest.update(block)
                        joined.write(block)
        if digest.hexdigest() != entry.sha256:
            raise ProblemError(
                "model_unavailable",
                f"model {entry.name}: sha256 of its joined parts is {digest.hexdigest()}, not {entry.sha256}",
            )
        Path(name).replace(target)  # atomic: another process sees the whole file or none
    finally:
        Path(name).unlink(missing_ok=True)
    return target


def _part(entry: ModelEntry, distribution: str, parts: PackageParts) -> Path:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        raise ProblemError(
            "model_unavailable", f"model {entry.name}: package {distribution}=={parts.version} is not installed"
        ) from None
    if found.version != parts.version:
        raise ProblemError(
            "model_unavailable", f"model {entry.name}: {distribution} is {found.version}, not {parts.version}"
        )
    data = [file for file in found.files or [] if file.name.endswith(parts.suffix)]
    if len(data) != 1:
        raise ProblemError(
            "model_unavailable", f"model {entry.name}: {distribution} holds {len(data)} {parts.suffix} files, not 1"
        )
    return Path(str(found.locate_file(data[0])))
