"""One ONNX model on the CPU: float32 in, float32 out, a fixed number of threads."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import onnxruntime

from services.common.errors import ProblemError
from services.common.registry import ModelEntry, model_path

Float = npt.NDArray[np.float32]

onnxruntime.disable_telemetry_events()  # nothing that runs here reports to anybody


class OnnxModel:
    """A loaded model with the single input ``image``; calling it answers its outputs by name."""

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # pictures vary in size: an arena would keep the largest for ever
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several models share the cores
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises bare classes of its own
            raise ProblemError("model_unavailable", f"model {path.name}: {error}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    @classmethod
    def load(cls, entry: ModelEntry, weights_dir: Path, service: str, threads: int) -> Self:
        """The model of a registry entry that is a file below ``weights_dir/service``; its SHA-256 is checked first."""
        return cls(model_path(entry, weights_dir, service, cache_dir=weights_dir), threads)

    def __call__(self, image: npt.NDArray[Any]) -> dict[str, Float]:
        """``image`` as the model wants it, (N, H, W, 3) -> output name -> array."""
        return dict(zip(self._outputs, self._session.run(None, {"image": image}), strict=True))
