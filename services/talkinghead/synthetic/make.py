"""Many rendered people: each from a seed of its own, in tens, the tenth for the test part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Self

import torch

from services.common.registry import verified_folder
from services.talkinghead.footage.clip import Clip
from services.talkinghead.footage.made import Account, Made
from services.talkinghead.footage.prepare import Piece
from services.talkinghead.speech.actions import FPS
from services.talkinghead.speech.network import SpeechNetwork
from services.talkinghead.synthetic.assets import HeadAssets
from services.talkinghead.synthetic.clip import render
from services.talkinghead.synthetic.head import HeadModel

TEST_EVERY: Final = 10


@dataclass(frozen=True)
class People:
    """Some people to be rendered, by number."""

    numbers: Sequence[int]
    contiguous: bool
    """Pictures in a row, as evaluation wants them; else they are spread over the sentence."""


def plan(count: int) -> list[Piece]:
    """Pieces of nine people to train on and one to test on. Raises ValueError: people come in tens."""
    if count <= 0 or count % TEST_EVERY:
        raise ValueError(f"synthetic: {count} people; they come in tens, nine to train on and one to test on")
    pieces = []
    for first in range(0, count, TEST_EVERY):
        *train, test = range(first, first + TEST_EVERY)
        pieces.append(Piece(f"rendered-{first:06d}", "train", People(train, contiguous=False)))
        pieces.append(Piece(f"rendered-{test:06d}", "test", People([test], contiguous=True)))
    return pieces


@dataclass(frozen=True)
class HeadMaker:
    """What a worker needs to render."""

    model: HeadModel
    assets: HeadAssets
    speech: SpeechNetwork
    square_px: int
    seed: int

    @classmethod
    def load(cls, assets: Path, weights_dir: Path, profile: str, square_px: int, seed: int) -> Self:
        """On one thread. Raises model_unavailable."""
        torch.set_num_threads(1)
        speech = SpeechNetwork.load(verified_folder(weights_dir, "speech", profile))
        return cls(HeadModel(), HeadAssets(assets), speech, square_px, seed)

    def __call__(self, people: People) -> Made:
        clips = [_in_child(partial(self._render, number, people.contiguous)) for number in people.numbers]
        seconds = sum(len(clip.actions) for clip in clips) / FPS
        return Made(clips, Account("", "rendered", "", seen_s=seconds, kept_s=seconds))

    def _render(self, number: int, contiguous: bool) -> Clip:
        return render(
            self.model,
            self.assets,
            self.speech,
            (self.seed, number),
            square_px=self.square_px,
            contiguous=contiguous,
        )


def _in_child(make: Callable[[], Clip]) -> Clip:
    """A fresh process for every person: rendering with OSMesa leaks about 12 MB a frame."""
    fork = get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_send, args=(sender, make))
    process.start()
    sender.close()
    try:
        clip: Clip = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"the process that rendered a person ended with {process.exitcode}") from None
    process.join()
    return clip


def _send(sender: Any, make: Callable[[], Clip]) -> None:
    sender.send(make())
