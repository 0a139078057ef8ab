"""How the facial actions of speech move the 68 landmarks: a linear basis, learnt from rendered heads."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from services.talkinghead.speech.actions import ACTIONS


def load_action_basis(folder: Path) -> NDArray[np.float32]:
    """Read ``action_basis.safetensors``: (11, 68, 2), the shift of every landmark at full action, in mouth widths.

    ``actions @ basis`` moves a portrait's own landmarks once multiplied by its mouth width (the distance of the mouth's
    corners, 48 and 54) and turned with its face; x points to the image's right, y down. Brows and eyes stay.
    """
    basis: NDArray[np.float32] = load_file(folder / "action_basis.safetensors")["basis"]
    expected = (len(ACTIONS), 68, 2)
    if basis.shape != expected:
        raise ValueError(f"{folder / 'action_basis.safetensors'}: basis has shape {basis.shape}, expected {expected}")
    return basis
