"""The networks of face-api (68 landmarks, expression, age and gender, identity) as ONNX from their uint8 weights.

face-api ships weights without a graph; the layers below are those of its documented architectures: a densely connected
depthwise-separable network, a small Xception, and dlib's residual network. Input everywhere: faces (n, S, S, 3), RGB,
0..255.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weights.convert.onnx_graph import OnnxGraph, Storage
from weights.convert.tfjs_weights import read_face_api

SIDE_PX = 112
IDENTITY_SIDE_PX = 150
_MEAN_RGB = np.array([122.782, 117.001, 104.298], np.float32)


class _Network:
    """Layers by name of their weights; images are (n, channels, h, w)."""

    def __init__(self, folder: Path, weights: str, storage: Storage = "float16") -> None:
        self.weights = read_face_api(folder, weights)
        self.onnx = OnnxGraph(weights, storage)

    def faces(self, side_px: int = SIDE_PX, divisor: float = 255) -> str:
        image = self.onnx.input("image", ("n", side_px, side_px, 3))
        centred = self.onnx.node("Sub", image, self._constant(_MEAN_RGB))
        scaled = self.onnx.node("Div", centred, self._constant(np.array(divisor, np.float32)))
        return self.onnx.node("Transpose", scaled, perm=[0, 3, 1, 2])

    def convolution(self, image: str, name: str, stride: int = 1) -> str:
        kernel = self.weights[f"{name}/filters"].transpose(3, 2, 0, 1)
        return self._convolve(image, kernel, f"{name}/bias", stride)

    def separable(self, image: str, name: str, stride: int = 1) -> str:
        depthwise = self.weights[f"{name}/depthwise_filter"].transpose(2, 3, 0, 1)  # (h, w, c, 1) -> (c, 1, h, w)
        image = self._convolve(image, depthwise, None, stride, groups=len(depthwise))
        return self._convolve(image, self.weights[f"{name}/pointwise_filter"].transpose(3, 2, 0, 1), f"{name}/bias", 1)

    def scaled(self, image: str, name: str, stride: int = 1, padding: str = "SAME_UPPER") -> str:
        """A convolution and the scale layer behind it, folded into one."""
        gain = self.weights[f"{name}/scale/weights"]
        kernel = self.weights[f"{name}/conv/filters"].transpose(3, 2, 0, 1) * gain[:, None, None, None]
        bias = self.weights[f"{name}/conv/bias"] * gain + self.weights[f"{name}/scale/biases"]
        constants = self._constant(kernel), self._constant(bias)
        return self.onnx.node("Conv", image, *constants, strides=[stride, stride], auto_pad=padding)

    def grown_to(self, image: str, other: str) -> str:
        """(n, c, h, w) with an empty edge right and below where ``other`` is larger."""
        missing = self.onnx.node("Sub", self.onnx.node("Shape", other), self.onnx.node("Shape", image))
        missing = self.onnx.node("Max", missing, self.onnx.ints(0, 0, 0, 0))
        return self.onnx.node("Pad", image, self.onnx.node("Concat", self.onnx.ints(0, 0, 0, 0), missing, axis=0))

    def matrix(self, features: str, name: str) -> str:
        return self.onnx.node("MatMul", features, self._constant(self.weights[name]))

    def pooled_features(self, image: str) -> str:
        return self.onnx.node("Flatten", self.onnx.node("GlobalAveragePool", image))

    def fully_connected(self, features: str, name: str) -> str:
        product = self.onnx.node("MatMul", features, self._constant(self.weights[f"{name}/weights"]))
        return self.add(product, self._constant(self.weights[f"{name}/bias"]))

    def relu(self, image: str) -> str:
        return self.onnx.node("Relu", image)

    def add(self, *tensors: str) -> str:
        return self.onnx.node("Sum", *tensors)

    def halve(self, image: str) -> str:
        return self.onnx.node("MaxPool", image, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")

    def softmax(self, logits: str) -> str:
        return self.onnx.node("Softmax", logits, axis=-1)

    def has(self, name: str) -> bool:
        return name in self.weights

    def _convolve(self, image: str, kernel: npt.NDArray[Any], bias: str | None, stride: int, groups: int = 1) -> str:
        inputs = [image, self._constant(kernel)] + ([self._constant(self.weights[bias])] if bias else [])
        return self.onnx.node("Conv", *inputs, strides=[stride, stride], group=groups, auto_pad="SAME_UPPER")

    def _constant(self, value: npt.NDArray[Any]) -> str:
        return self.onnx.constant(np.ascontiguousarray(value, np.float32))


def _dense_features(net: _Network) -> str:
    """Four blocks; inside a block each layer sees the sum of those before it. (n, 3, 112, 112) -> (n, 256)"""
    image = net.faces()
    for block in ("dense0", "dense1", "dense2", "dense3"):
        entry = net.convolution if block == "dense0" else net.separable
        sums = [net.relu(entry(image, f"{block}/conv0", 2))]
        image = sums[0]
        for layer in ("conv1", "conv2", "conv3"):
            sums.append(net.separable(image, f"{block}/{layer}"))
            image = net.relu(net.add(*sums))
    return net.pooled_features(image)


def convert_landmarks(folder: Path, target: Path) -> None:
    """``landmarks`` (n, 68, 2): x, y as fractions of the crop, iBUG order."""
    net = _Network(folder, "face_landmark_68_model")
    flat = net.fully_connected(_dense_features(net), "fc")
    net.onnx.save(target, {"landmarks": net.onnx.node("Reshape", flat, net.onnx.ints(-1, 68, 2))})


def convert_expression(folder: Path, target: Path) -> None:
    """``expression`` (n, 7): neutral, happy, sad, angry, fearful, disgusted, surprised; probabilities."""
    net = _Network(folder, "face_expression_model")
    net.onnx.save(target, {"expression": net.softmax(net.fully_connected(_dense_features(net), "fc"))})


def convert_age_gender(folder: Path, target: Path) -> None:
    """``age`` (n, 1) in years and ``gender`` (n, 2): male, female; probabilities."""
    net = _Network(folder, "age_gender_model")
    image = net.relu(net.convolution(net.faces(), "entry_flow/conv_in", 2))
    image = _reduction(net, image, "entry_flow/reduction_block_0", activate=False)
    image = _reduction(net, image, "entry_flow/reduction_block_1")
    block = 0
    while net.has(f"middle_flow/main_block_{block}/separable_conv0/bias"):
        inner = image
        for layer in range(3):
            inner = net.separable(net.relu(inner), f"middle_flow/main_block_{block}/separable_conv{layer}")
        image = net.add(image, inner)
        block += 1
    image = _reduction(net, image, "exit_flow/reduction_block")
    features = net.pooled_features(net.relu(net.separable(image, "exit_flow/separable_conv")))
    gender = net.softmax(net.fully_connected(features, "fc/gender"))
    net.onnx.save(target, {"age": net.fully_connected(features, "fc/age"), "gender": gender})


def _reduction(net: _Network, image: str, name: str, *, activate: bool = True) -> str:
    inner = net.separable(net.relu(image) if activate else image, f"{name}/separable_conv0")
    inner = net.separable(net.relu(inner), f"{name}/separable_conv1")
    return net.add(net.halve(inner), net.convolution(image, f"{name}/expansion_conv", 2))


def convert_identity(folder: Path, target: Path) -> None:
    """``identity`` (n, 128) of faces (n, 150, 150, 3): dlib's face recognition network, Euclidean by its training."""
    net = _Network(folder, "face_recognition_model", "int8")
    image = net.relu(net.scaled(net.faces(IDENTITY_SIDE_PX, 256), "conv32_down", 2, "VALID"))
    image = net.onnx.node("MaxPool", image, kernel_shape=[3, 3], strides=[2, 2])
    for stage, wider in (("conv32", 0), ("conv64", 32), ("conv128", 64), ("conv256", 128)):
        if wider:
            image = _residual_down(net, image, f"{stage}_down", wider)
        for block in (1, 2, 3):
            if net.has(f"{stage}_{block}/conv1/conv/filters"):
                image = net.relu(net.add(_two_convolutions(net, image, f"{stage}_{block}"), image))
    image = _residual_down(net, image, "conv256_down_out", 0)
    net.onnx.save(target, {"identity": net.matrix(net.pooled_features(image), "fc")})


def _two_convolutions(net: _Network, image: str, name: str, stride: int = 1) -> str:
    inner = net.relu(net.scaled(image, f"{name}/conv1", stride, "SAME_UPPER" if stride == 1 else "VALID"))
    return net.scaled(inner, f"{name}/conv2")


def _residual_down(net: _Network, image: str, name: str, wider: int) -> str:
    """Half the size; the shortcut is averaged and gets ``wider`` empty channels, the smaller of both an empty edge."""
    inner = _two_convolutions(net, image, name, 2)
    shortcut = net.onnx.node("AveragePool", image, kernel_shape=[2, 2], strides=[2, 2])
    shortcut = net.onnx.node("Pad", shortcut, net.onnx.ints(0, 0, 0, 0, 0, wider, 0, 0))
    return net.relu(net.add(net.grown_to(inner, shortcut), net.grown_to(shortcut, inner)))
