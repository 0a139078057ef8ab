"""EfficientNet-Lite0 (ImageNet, 1000 classes) -> ONNX from a PyTorch state dict, batch normalisation folded in.

The lite variant of Tan and Le 2019 (arXiv 1905.11946): no squeeze-and-excitation, ReLU6 instead of swish.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from weights.convert.onnx_graph import OnnxGraph

SIDE_PX = 224
FEATURES_AFTER = (0, 2, 4, 10)
"""Blocks whose outputs compare pictures: the last of their size, 1/2, 1/4, 1/8 and 1/16 of the picture."""
_EPSILON = 1e-3
_FIRST_BLOCK_STRIDES = {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1}
"""Block that opens a stage -> its stride; the others keep the size and add their input."""


def convert_efficientnet_lite0(state_dict: Path, target: Path) -> None:
    """``classes`` (n, 1000): ImageNet probabilities of (n, 224, 224, 3) RGB 0..255. Weights are kept as int8."""
    loaded = torch.load(state_dict, map_location="cpu", weights_only=True)
    net = _LiteNet({name: value.numpy() for name, value in loaded.items()})
    features = net.pooled_features(net.image())
    logits = net.onnx.node("Gemm", features, *net.fully_connected("_fc"), transB=1)
    net.onnx.save(target, {"classes": net.onnx.node("Softmax", logits, axis=-1)})


def convert_features(state_dict: Path, target: Path) -> None:
    """``features_0`` to ``features_3`` of pictures (n, h, w, 3), RGB 0..255, edges that 16 divides: (n, c, h', w')."""
    loaded = torch.load(state_dict, map_location="cpu", weights_only=True)
    net = _LiteNet({name: value.numpy() for name, value in loaded.items()})
    net.onnx.save(target, {f"features_{place}": made for place, made in enumerate(net.features(FEATURES_AFTER))})


class _LiteNet:
    def __init__(self, weights: dict[str, npt.NDArray[Any]]) -> None:
        self._weights = weights
        self.onnx = OnnxGraph("efficientnet_lite0", "int8")
        self._six, self._zero = (self.onnx.constant(np.array(value, np.float32)) for value in (6, 0))

    def image(self, height: int | str = SIDE_PX, width: int | str = SIDE_PX) -> str:
        """Scaled to about -1..1, as the weights were trained: (x - 127) / 128."""
        image = self.onnx.input("image", ("n", height, width, 3))
        centred = self.onnx.node("Sub", image, self.onnx.constant(np.array(127, np.float32)))
        scaled = self.onnx.node("Div", centred, self.onnx.constant(np.array(128, np.float32)))
        return self.onnx.node("Transpose", scaled, perm=[0, 3, 1, 2])

    def features(self, blocks: tuple[int, ...]) -> list[str]:
        """Outputs of some blocks of a picture of any size; what lies behind the last one is left out."""
        image = self._relu6(self._convolution(self.image("height", "width"), "_conv_stem", "_bn0", 2))
        outputs = []
        for block in range(blocks[-1] + 1):
            image = self._block(image, block)
            outputs.append(image)
        return [outputs[block] for block in blocks]

    def pooled_features(self, image: str) -> str:
        image = self._relu6(self._convolution(image, "_conv_stem", "_bn0", 2))
        block = 0
        while f"_blocks.{block}._depthwise_conv.weight" in self._weights:
            image = self._block(image, block)
            block += 1
        image = self._relu6(self._convolution(image, "_conv_head", "_bn1"))
        return self.onnx.node("Flatten", self.onnx.node("GlobalAveragePool", image))

    def fully_connected(self, name: str) -> tuple[str, str]:
        return self.onnx.constant(self._weights[f"{name}.weight"]), self.onnx.constant(self._weights[f"{name}.bias"])

    def _block(self, image: str, number: int) -> str:
        """Inverted bottleneck: widen (1 x 1), filter each channel, narrow (1 x 1)."""
        name, inner = f"_blocks.{number}", image
        if f"{name}._expand_conv.weight" in self._weights:
            inner = self._relu6(self._convolution(inner, f"{name}._expand_conv", f"{name}._bn0"))
        stride = _FIRST_BLOCK_STRIDES.get(number, 1)
        inner = self._relu6(self._convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride))
        inner = self._convolution(inner, f"{name}._project_conv", f"{name}._bn2")
        return inner if number in _FIRST_BLOCK_STRIDES else self.onnx.node("Add", inner, image)

    def _convolution(self, image: str, name: str, norm: str, stride: int = 1) -> str:
        kernel = self._weights[f"{name}.weight"]  # (out, in, h, w); depthwise: (out, 1, h, w)
        gain = self._weights[f"{norm}.weight"] / np.sqrt(self._weights[f"{norm}.running_var"] + _EPSILON)
        bias = self._weights[f"{norm}.bias"] - self._weights[f"{norm}.running_mean"] * gain
        depthwise = name.endswith("_depthwise_conv")
        return self.onnx.node(
            "Conv",
            image,
            self.onnx.constant(kernel * gain.reshape(-1, 1, 1, 1)),
            self.onnx.constant(bias),
            strides=[stride, stride],
            group=len(kernel) if depthwise else 1,
            auto_pad="SAME_UPPER",
        )

    def _relu6(self, image: str) -> str:
        return self.onnx.node("Clip", image, self._zero, self._six)
