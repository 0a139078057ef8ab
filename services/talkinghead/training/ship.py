"""Put a trained model among the weights: ``python -m services.talkinghead.training.ship MODEL weights/difftalk-small``.

Weights are stored as float16, which halves them; afterwards ``python -m weights.register difftalk-small`` renews their
SHA-256.
"""

import argparse
from pathlib import Path

import torch

from services.talkinghead.difftalk import checkpoint


def ship(model: Path, weights: Path) -> None:
    """Copy a model's folder as float16."""
    configuration, denoiser, first_stage = checkpoint.load(model)
    checkpoint.save(weights, configuration, denoiser, first_stage, torch.float16)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="folder that training.denoiser wrote")
    parser.add_argument("weights", type=Path, help="folder to write")
    arguments = parser.parse_args()
    ship(arguments.model, arguments.weights)


if __name__ == "__main__":
    main()
