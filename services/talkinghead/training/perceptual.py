"""How different two pictures look: by the features of face-api's expression network.

The field takes VGG's, half a gigabyte to download. This one ships (`weights/perception`), has seen faces alone, and
tells mouths apart; it judges nothing in `evaluation`. Distances are LPIPS's (arXiv 1801.03924, equation 1) without
learnt weights.
"""

from pathlib import Path
from typing import Final, Self

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from services.common.registry import load_registry, model_path

_SERVICE: Final = "perception"
_ROLE: Final = "expression"
_MEAN: Final = (122.782, 117.001, 104.298)
_CONVOLUTIONS: Final = (7, 8, 8)
"""Of the first three blocks, a separable one counted twice. Behind them, a cell of the fourth sees half the face."""
_DENSE: Final = 6
"""Of each block's: three separable ones, each fed with all before it."""


class PerceptualDistance(nn.Module):
    """Three densely connected blocks of depthwise separable convolutions."""

    mean: Tensor

    def __init__(self, convolutions: list[nn.Conv2d]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def load(cls, weights_dir: Path, profile: str) -> Self:
        """Raises model_unavailable."""
        path = model_path(load_registry(weights_dir, _SERVICE, profile)[_ROLE], weights_dir, _SERVICE, weights_dir)
        graph = onnx.load(str(path)).graph
        stored = {each.name: numpy_helper.to_array(each).astype(np.float32) for each in graph.initializer}
        cast = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
        layers = [node for node in graph.node if node.op_type == "Conv"][: sum(_CONVOLUTIONS)]
        return cls([_convolution(node, [stored[cast.get(name, name)] for name in node.input[1:]]) for node in layers])

    def forward(self, made: Tensor, truth: Tensor) -> Tensor:
        """(B, 3, H, W) each in [-1, 1] -> their mean distance, 0 where they are equal."""
        layers = zip(self._features(made), self._features(truth), strict=True)
        distances = [(_unit(ours) - _unit(theirs)).square().sum(1).mean() for ours, theirs in layers]
        return torch.stack(distances).mean()

    def _features(self, images: Tensor) -> list[Tensor]:
        x = ((images.float() + 1) * 127.5 - self.mean) / 255
        found, first = [], 0
        for count in _CONVOLUTIONS:
            block = list(self.convolutions[first : first + count])
            first += count
            entry = count - _DENSE
            for layer in block[:entry]:
                x = _same(x, layer)
            total = x = x.relu()
            for depthwise, pointwise in zip(block[entry::2], block[entry + 1 :: 2], strict=True):
                total = total + _same(_same(x, depthwise), pointwise)
                x = total.relu()
            found.append(x)
        return found


def _convolution(node: onnx.NodeProto, weights: list[np.ndarray]) -> nn.Conv2d:
    attributes = {each.name: each for each in node.attribute}
    outputs, inputs, *kernel = weights[0].shape
    groups, stride = attributes["group"].i, tuple(attributes["strides"].ints)
    layer = nn.Conv2d(inputs * groups, outputs, tuple(kernel), stride, groups=groups, bias=len(weights) > 1)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[0].copy()))
        if layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(weights[1].copy()))
    return layer


def _same(x: Tensor, layer: nn.Module) -> Tensor:
    """With the edges that ONNX calls SAME_UPPER: what is odd comes right and below."""
    assert isinstance(layer, nn.Conv2d)  # noqa: S101 - a list of modules forgets it
    edges: list[int] = []
    for size, kernel, stride in zip(x.shape[:1:-1], layer.kernel_size[::-1], layer.stride[::-1], strict=True):
        missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        edges += [missing // 2, missing - missing // 2]
    convolved: Tensor = layer(nn.functional.pad(x, edges))
    return convolved


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + 1e-6).sqrt()
