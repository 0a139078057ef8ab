"""What a stage of training is to the loop that runs it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from services.talkinghead.training.clips import Item
from services.talkinghead.training.configuration import StageSettings

Batch = Mapping[str, Tensor]
Losses = dict[str, Tensor]

DTYPES: Final = {"float32": torch.float32, "float16": torch.float16}
"""Of what is stored, by ``weights_as``."""


class Stage(ABC):
    """Networks that are trained together, each by a loss and an optimiser of its own."""

    name: str
    settings: StageSettings
    examples: "Dataset[Item]"
    """Drawn by number: the same number gives the same example."""
    learning: dict[str, nn.Module]
    """In the order in which they learn within a step."""
    helping: tuple[nn.Module, ...] = ()
    """Networks that stay as they are."""
    averaged: str | None = None
    """Of which of those that learn a moving average is kept."""
    ema_decay: float = 0.0
    average: EMAModel | None = None
    """The loop's; None where nothing is averaged."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        """What `held_out` told last."""

    def begin(self, step: int) -> None:  # noqa: B027 - most stages have nothing to do here
        """Before a step."""

    @abstractmethod
    def losses(self, name: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Losses | None:
        """Terms whose sum the network ``name`` is to make small; None: it does not learn in this step.

        ``networks`` are those of ``learning`` as the processes share them; a gradient must come by way of these.
        """

    @abstractmethod
    def held_out(self) -> dict[str, float]:
        """Figures on people that training never sees."""

    def show(self, writer: SummaryWriter, step: int) -> None:  # noqa: B027
        """Put pictures or films into the log."""

    def save(self, out: Path) -> None:  # noqa: B027
        """Write what is usable already. Called by one process, whenever a checkpoint is written."""

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """The moving average in the place of the weights of the moment, where there is one."""
        if self.average is None or self.averaged is None:
            yield
            return
        parameters = list(self.learning[self.averaged].parameters())
        self.average.store(parameters)
        self.average.copy_to(parameters)
        try:
            yield
        finally:
            self.average.restore(parameters)
