"""Which code is nearest to a latent: by a tree, since there are thousands of codes of only three values."""

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from services.talkinghead.difftalk.first_stage import FirstStage


class Codebook:
    """The codes of a trained first stage, found on the CPU.

    diffusers' VectorQuantizer measures the distance to every one of the 8192 codes, which on a CPU takes longer than
    two calls of the small UNet; a k-d tree (Bentley, 1975) finds the same code in a fraction of it. Each latent is
    looked up by itself: the answer does not depend on the batch.
    """

    def __init__(self, first_stage: FirstStage) -> None:
        self._codes = first_stage.quantize.embedding.weight.detach().float().cpu()
        self._tree = cKDTree(self._codes.numpy())

    def nearest(self, latents: Tensor) -> Tensor:
        """Latents (B, 3, h, w) -> the same with each cell (3,) replaced by its nearest code."""
        cells = latents.permute(0, 2, 3, 1)
        _, found = self._tree.query(cells.reshape(-1, cells.shape[-1]).numpy())
        nearest: Tensor = self._codes[torch.from_numpy(found)].view(cells.shape).permute(0, 3, 1, 2).contiguous()
        return nearest
