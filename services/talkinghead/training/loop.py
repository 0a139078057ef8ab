"""The loop that all stages share, on one CPU or many GPUs, and exact when it goes on.

An example's random numbers come from its own number, and step n learns from the examples n B to (n + 1) B - 1, whoever
draws them. So nothing but weights, optimisers and averages need be saved for a run that was stopped to go on as if it
had not been: bit by bit on the same machine.
"""

import contextlib
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

from services.talkinghead.training.configuration import StageSettings, TrainingConfiguration
from services.talkinghead.training.errors import TrainError
from services.talkinghead.training.run_folder import LOG, RunFolder
from services.talkinghead.training.stage import Batch, Losses, Stage

_BETAS: Final = (0.9, 0.98)
_WEIGHT_DECAY: Final = 0.01
_LARGEST_NORM: Final = 1.0
_LAST_SHARE: Final = 0.02


def rate_at(settings: StageSettings, step: int) -> float:
    """Warming up in a line, then half a cosine down to a fiftieth."""
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    fallen = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    return settings.rate * warm * (_LAST_SHARE + (1 - _LAST_SHARE) * fallen)


@dataclass
class Learner:
    """One network on its device, shared between processes, with its optimiser."""

    network: nn.Module
    optimiser: Any


class Loop:
    """A stage on the devices of this run."""

    def __init__(
        self, stage: Stage, configuration: TrainingConfiguration, accelerator: Accelerator, folder: RunFolder
    ) -> None:
        self._stage, self._configuration = stage, configuration
        self._accelerator, self._folder = accelerator, folder
        for helper in stage.helping:
            helper.to(accelerator.device)
        self._learners = {name: self._learner(network) for name, network in stage.learning.items()}
        self._shared = {name: learner.network for name, learner in self._learners.items()}
        if stage.averaged is not None:
            stage.average = EMAModel(stage.learning[stage.averaged].parameters(), decay=stage.ema_decay)

    def run(self) -> None:
        """Train to the end, from the beginning or from the checkpoint; saves, logs and shows on the way.

        Raises TrainError: a loss is no number, the checkpoint is not this run's; OSError: the folder cannot be written.
        """
        stage, every = self._stage, self._configuration
        first, steps = self._resume(), stage.settings.steps
        if first == steps:
            return
        batches = self._batches(first)
        with self._log(first) as writer:
            began, told = time.monotonic(), first
            for step in range(first, steps):
                # 1. Losses and their gradients, batch after batch
                stage.begin(step)
                turns = range(stage.settings.accumulate)
                last_turn = turns[-1]
                shown = self._means([self._learn(next(batches), step, last=turn == last_turn) for turn in turns])
                self._refuse_nan(shown, step)

                # 2. One step of every network that learnt, and of the average
                for name in {key.split("/")[0] for key in shown}:
                    self._step(name, step)
                if stage.average is not None and stage.averaged is not None:
                    stage.average.step(stage.learning[stage.averaged].parameters())

                # 3. What is seen of it, and what stays of it
                done, ends = step + 1, step + 1 == steps
                if done % every.log_every == 0 or ends:
                    self._tell(writer, shown, done, (time.monotonic() - began) / (done - told))
                    began, told = time.monotonic(), done
                if writer is not None and (done % every.sample_every == 0 or ends):
                    self._show(writer, done)
                if done % every.save_every == 0 or ends:
                    self._save(done)

    def _learner(self, network: nn.Module) -> Learner:
        network.train()
        rate = self._stage.settings.rate
        optimiser = torch.optim.AdamW(network.parameters(), rate, betas=_BETAS, weight_decay=_WEIGHT_DECAY)
        return Learner(*self._accelerator.prepare(network, optimiser))

    def _batches(self, first: int) -> Iterator[Batch]:
        """Those of this process, from step ``first`` on."""
        settings, rank, processes = (
            self._stage.settings,
            self._accelerator.process_index,
            self._accelerator.num_processes,
        )
        a_step = settings.accumulate * processes
        numbers = range(first * a_step, settings.steps * a_step)[rank::processes]
        loader: DataLoader[Any] = DataLoader(
            self._stage.examples,
            batch_sampler=[list(range(n * settings.batch, (n + 1) * settings.batch)) for n in numbers],
            num_workers=self._configuration.loaders,
            pin_memory=self._accelerator.device.type == "cuda",
        )
        for batch in loader:
            yield {name: values.to(self._accelerator.device, non_blocking=True) for name, values in batch.items()}

    def _learn(self, batch: Batch, step: int, *, last: bool) -> Losses:
        """Gradients of one batch; behind the last of a step processes share theirs."""
        terms: Losses = {}
        for name, learner in self._learners.items():
            with contextlib.nullcontext() if last else self._accelerator.no_sync(learner.network):
                losses = self._stage.losses(name, self._shared, batch, step)
                if losses is None:
                    continue
                total = torch.stack(list(losses.values())).sum()
                self._accelerator.backward(total / self._stage.settings.accumulate)
                terms |= {f"{name}/{term}": value.detach() for term, value in losses.items()}
        return terms

    def _means(self, batches: list[Losses]) -> dict[str, float]:
        """Over the batches of a step and over all processes: every one of them then sees the same."""
        names = list(batches[0])
        values = torch.stack([torch.stack([batch[name].float() for name in names]) for batch in batches]).mean(0)
        shared: Tensor = self._accelerator.reduce(values, reduction="mean")
        return dict(zip(names, shared.tolist(), strict=True))

    def _refuse_nan(self, shown: dict[str, float], step: int) -> None:
        for name, value in shown.items():
            if not math.isfinite(value):
                raise self._no_number(f"the loss {name} is {value}", step)

    def _no_number(self, what: str, step: int) -> TrainError:
        return TrainError(
            f"{self._stage.name}: {what} at step {step + 1}, rate {rate_at(self._stage.settings, step):.2g}; nothing "
            f"of this step was learnt or saved. The same command goes on from the checkpoint in {self._folder.path}; "
            "if it comes again, begin another run with a lower rate or without half precision"
        )

    def _step(self, name: str, step: int) -> None:
        learner = self._learners[name]
        for group in learner.optimiser.param_groups:
            group["lr"] = rate_at(self._stage.settings, step)
        norm = self._accelerator.clip_grad_norm_(learner.network.parameters(), _LARGEST_NORM)
        # in fp16 the scaler sees to it: it leaves the step out and lowers its scale
        if self._accelerator.mixed_precision != "fp16" and norm is not None and not torch.isfinite(norm):
            raise self._no_number(f"a gradient of {name} is {float(norm)}", step)
        learner.optimiser.step()
        learner.optimiser.zero_grad()

    def _resume(self) -> int:
        """The step to begin with."""
        stage, scaler = self._stage, self._accelerator.scaler
        state = self._folder.load(stage.name)
        if state is None:
            return 0
        for name, network in stage.learning.items():
            network.load_state_dict(state["networks"][name])
            self._learners[name].optimiser.load_state_dict(state["optimisers"][name])
        if stage.average is not None:
            stage.average.load_state_dict(state["average"])
            stage.average.to(self._accelerator.device)
        if scaler is not None:
            scaler.load_state_dict(state["scaler"])
        stage.figures = state["figures"]
        return int(state["step"])

    def _save(self, done: int) -> None:
        stage, scaler = self._stage, self._accelerator.scaler
        if self._accelerator.is_main_process:
            stage.save(self._folder.path)  # first: a finished stage is not run again, its checkpoint tells
            self._folder.save(
                stage.name,
                {
                    "step": done,
                    "networks": {name: network.state_dict() for name, network in stage.learning.items()},
                    "optimisers": {name: each.optimiser.state_dict() for name, each in self._learners.items()},
                    "average": None if stage.average is None else stage.average.state_dict(),
                    "scaler": None if scaler is None else scaler.state_dict(),
                    "figures": stage.figures,
                },
            )
        self._accelerator.wait_for_everyone()

    @contextlib.contextmanager
    def _log(self, first: int) -> Iterator[SummaryWriter | None]:
        """The main process's; what an interrupted run told of steps that come again is struck out."""
        if not self._accelerator.is_main_process:
            yield None
            return
        writer = SummaryWriter(str(self._folder.path / LOG / self._stage.name), purge_step=first + 1)
        try:
            yield writer
        finally:
            writer.close()

    def _tell(self, writer: SummaryWriter | None, shown: dict[str, float], done: int, pace_s: float) -> None:
        if writer is None:
            return
        for name, value in shown.items():
            writer.add_scalar(f"{self._stage.name}/{name}", value, done)
        told = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
        print(
            f"{self._stage.name} {done}/{self._stage.settings.steps}: {told} ({pace_s:.2f} s a step)", file=sys.stderr
        )

    @torch.no_grad()
    def _show(self, writer: SummaryWriter, done: int) -> None:
        """Figures and films, by the averaged weights where there are any."""
        stage = self._stage
        with stage.averaged_weights():
            for network in stage.learning.values():
                network.eval()
            stage.figures = stage.held_out()
            for name, value in stage.figures.items():
                writer.add_scalar(f"{stage.name}/held_out/{name}", value, done)
            stage.show(writer, done)
            for network in stage.learning.values():
                network.train()
