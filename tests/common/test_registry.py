import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import ProblemError
from services.common.registry import ModelEntry, load_registry, model_path, verified_folder

PAYLOAD = b"weights" * 1000


def entry(**change: Any) -> dict[str, Any]:
    return {
        "name": "tiny",
        "file": "tiny.onnx",
        "sha256": hashlib.sha256(PAYLOAD).hexdigest(),
        "licence": "MIT",
        "source": "a package",
        "revision": "1",
    } | change


def weights(folder: Path, **change: Any) -> Path:
    (folder / "perception").mkdir()
    (folder / "perception" / "tiny.onnx").write_bytes(PAYLOAD)
    (folder / "perception" / "models.json").write_text(json.dumps({"tiny": {"detector": entry(**change)}}))
    return folder


def test_a_file_with_the_right_hash_is_found(tmp_path: Path) -> None:
    found = load_registry(weights(tmp_path), "perception", "tiny")["detector"]

    assert model_path(found, tmp_path, "perception", tmp_path / "cache").read_bytes() == PAYLOAD


def test_an_altered_file_is_refused_by_name(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    (folder / "perception" / "tiny.onnx").write_bytes(PAYLOAD + b"!")
    found = load_registry(folder, "perception", "tiny")["detector"]

    with pytest.raises(ProblemError, match=r"model tiny: sha256 of .*tiny.onnx is .*, not"):
        model_path(found, folder, "perception", tmp_path / "cache")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    found = load_registry(weights(tmp_path, file="gone.onnx"), "perception", "tiny")["detector"]

    with pytest.raises(ProblemError, match=r"gone.onnx is missing") as error:
        model_path(found, tmp_path, "perception", tmp_path / "cache")
    assert error.value.code == "model_unavailable"


def test_an_unknown_profile_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"'huge' is not one of \['tiny'\]"):
        load_registry(weights(tmp_path), "perception", "huge")


def test_a_damaged_registry_is_named(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    (folder / "perception" / "models.json").write_text('{"tiny": {')
    with pytest.raises(ProblemError, match=r"models\.json is damaged") as error:
        load_registry(folder, "perception", "tiny")
    assert error.value.code == "model_unavailable"


class Packages:
    """Distributions with one data file each, as ``importlib.metadata`` finds them on ``sys.path``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, name: str, data: bytes, version: str = "1.0") -> None:
        module = name.replace("-", "_")
        (self._folder / module).mkdir()
        (self._folder / module / "part.bin").write_bytes(data)
        info = self._folder / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "RECORD").write_text(f"{module}/part.bin,,\n{module}-{version}.dist-info/METADATA,,\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return Packages(folder)


def in_parts(count: int, sha256: str, version: str = "1.0") -> ModelEntry:
    names = [f"llm-part{number}" for number in range(1, count + 1)]
    parts = {"distributions": names, "version": version, "suffix": ".bin"}
    return ModelEntry.model_validate(entry(file=None, parts=parts, sha256=sha256))


def test_parts_of_packages_are_joined_in_order(tmp_path: Path, packages: Packages) -> None:
    packages.add("llm-part1", b"first ")
    packages.add("llm-part2", b"second")

    joined = model_path(
        in_parts(2, hashlib.sha256(b"first second").hexdigest()), tmp_path, "reasoning", tmp_path / "cache"
    )

    assert joined.read_bytes() == b"first second"


def test_parts_that_join_to_something_else_leave_nothing_behind(tmp_path: Path, packages: Packages) -> None:
    packages.add("llm-part1", b"not what was promised")

    with pytest.raises(ProblemError, match="sha256 of its joined parts"):
        model_path(in_parts(1, "0" * 64), tmp_path, "reasoning", tmp_path / "cache")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_package_of_another_version_is_refused(tmp_path: Path, packages: Packages) -> None:
    packages.add("llm-part1", b"data", version="2.0")

    with pytest.raises(ProblemError, match=r"llm-part1 is 2.0, not 1.0"):
        model_path(in_parts(1, "0" * 64), tmp_path, "reasoning", tmp_path / "cache")


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"package llm-part1==1.0 is not installed"):
        model_path(in_parts(1, "0" * 64), tmp_path, "reasoning", tmp_path / "cache")


def test_an_entry_has_one_origin() -> None:
    with pytest.raises(ValueError, match="either 'file' or 'parts'"):
        ModelEntry.model_validate(entry(file=None))


def test_a_folder_is_handed_out_when_all_its_files_are_right(tmp_path: Path) -> None:
    assert verified_folder(weights(tmp_path), "perception", "tiny") == tmp_path / "perception"


def test_a_folder_with_an_altered_file_is_refused(tmp_path: Path) -> None:
    folder = weights(tmp_path)
    (folder / "perception" / "tiny.onnx").write_bytes(b"other")
    with pytest.raises(ProblemError, match=r"sha256 of .*tiny.onnx is"):
        verified_folder(folder, "perception", "tiny")
