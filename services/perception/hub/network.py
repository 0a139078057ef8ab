"""Networks and processors of transformers, from a checkpoint: safetensors, no code of the checkpoint's own."""

from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers.utils import logging

from services.common.errors import ProblemError
from services.perception.hub.source import Checkpoint

_FAULTS = (OSError, RuntimeError, ValueError, ImportError, KeyError, SafetensorError)


def load_network(checkpoint: Checkpoint, kind: str) -> Any:
    """The network of class ``kind``: on the GPU in half precision where there is one, else on the CPU in single.

    Raises ``model_unavailable`` where weights are missing, do not fit, or are no safetensors.
    """
    logging.disable_progress_bar()
    half = torch.bfloat16 if kind.startswith("Auto") else torch.float16
    options: dict[str, Any] = {"dtype": torch.float32}
    if torch.cuda.is_available():
        options = {"dtype": half, "device_map": "auto"}
    try:
        network, report = getattr(transformers, kind).from_pretrained(
            checkpoint.folder,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
    except _FAULTS as error:
        raise ProblemError("model_unavailable", f"model {checkpoint.name}: {error}") from error
    if missing := sorted(report["missing_keys"]):
        raise ProblemError(
            "model_unavailable", f"model {checkpoint.name}: {len(missing)} weights are missing, first {missing[0]}"
        )
    return network.eval().requires_grad_(False)


def load_processor(checkpoint: Checkpoint, kind: str) -> Any:
    """Tokenizer, image processor or both, of class ``kind``. Raises ``model_unavailable``."""
    try:
        return getattr(transformers, kind).from_pretrained(
            checkpoint.folder, local_files_only=True, trust_remote_code=False
        )
    except _FAULTS as error:
        raise ProblemError("model_unavailable", f"model {checkpoint.name}: its {kind}: {error}") from error
