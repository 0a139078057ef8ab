"""Speech networks of the hub, from a local folder: safetensors and JSON, no pickle, no code of the folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError

CONFIG: Final = "config.json"
PREPROCESSING: Final = "preprocessor_config.json"


@dataclass(frozen=True)
class Pretrained:
    """A network of `transformers` in float32, and what its ``preprocessor_config.json`` says, if it is there."""

    network: Any
    preprocessing: dict[str, Any]


def load_pretrained(folder: Path, kinds: Mapping[str, str]) -> Pretrained:
    """Read ``folder``, whose ``config.json`` must name one of the model types ``kinds``, each with its class.

    Raises ValueError (not such a folder; another type; weights that are missing or do not fit).
    """
    try:
        import transformers  # noqa: PLC0415 - of the extra "features"
    except ImportError as error:
        raise ValueError("speech networks of the hub need the extra 'features': pip install raconteur[features]") from (
            error
        )
    told = read_json(folder / CONFIG)
    kind = told.get("model_type")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{folder / CONFIG}: model_type is {kind!r}, one of {sorted(kinds)} is expected")
    try:
        network, report = getattr(transformers, kinds[kind]).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{folder}: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"{folder}: weights are missing, the first is {missing[0]}")
    preprocessing = folder / PREPROCESSING
    return Pretrained(
        network.float().requires_grad_(False), read_json(preprocessing) if preprocessing.is_file() else {}
    )


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises ValueError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: it cannot be read ({error})") from error
    if not isinstance(told, dict):
        raise ValueError(f"{path}: a JSON object is expected")
    return told
