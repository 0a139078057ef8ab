"""What an imported checkpoint holds beside our parts, kept so that export gives it back.

The file lies beside the parts, its tensors under their original names: the UNet's weights that were not taken (the raw
ones where the moving average was), the buffers of the noise schedule, the loss of the first stage, the moving
average's counters, and modules that we do not know. It may be deleted: export then writes the weights in use for
both, raw and average.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

Weights: TypeAlias = Literal["ema", "raw"]
_FILE = "original.safetensors"


@dataclass(frozen=True)
class Remainder:
    """See the module's docstring."""

    tensors: dict[str, Tensor]
    taken: Weights
    """Which of the UNet's weights are in the part `unet/`."""
    global_step: int

    def save(self, folder: Path) -> None:
        """Write it into a model's folder."""
        own = {name: tensor.contiguous().clone() for name, tensor in self.tensors.items()}  # views cannot be stored
        metadata = {"format": "pt", "taken": self.taken, "global_step": str(self.global_step)}
        save_file(own, folder / _FILE, metadata=metadata)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read it from a model's folder; None where there is none."""
        if not (folder / _FILE).exists():
            return None
        with safe_open(folder / _FILE, framework="pt") as stored:
            metadata = stored.metadata()
            taken: Weights = "ema" if metadata["taken"] == "ema" else "raw"
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 - it is no dict
        return cls(tensors, taken, int(metadata["global_step"]))
