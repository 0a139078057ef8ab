"""Writes an ONNX graph node by node; large constants are stored small and computed with in float32."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
Storage = Literal["float16", "int8"]

_SMALL = 64
"""Constants of fewer elements (biases of narrow layers, scalars) stay float32: nothing to gain."""

FLOAT, INT32, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL


class OnnxGraph:
    """A graph under construction. Tensors are named by strings; every method returns the name of what it made."""

    def __init__(self, name: str, storage: Storage = "float16") -> None:
        self._name, self._storage = name, storage
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def input(self, name: str, shape: Sequence[int | str], dtype: int = FLOAT) -> str:
        """A fed tensor; a string in ``shape`` is a free dimension."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, list(shape)))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        """One operator with one output."""
        return self.nodes(op, *inputs, outputs=outputs, **attributes)[0]

    def nodes(self, op: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """One operator with several outputs."""
        names = [self._fresh(op) for _ in range(outputs)]
        self._nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names

    def constant(self, value: npt.NDArray[Any]) -> str:
        """A constant of its own dtype; many float32 values are stored as the graph's ``storage`` says."""
        if value.dtype != np.float32 or value.size < _SMALL:
            return self._initializer(value)
        if self._storage == "int8" and value.ndim >= 2:
            return self._int8_weight(value)
        return self.node("Cast", self._initializer(value.astype(np.float16)), to=FLOAT)

    def ints(self, *values: int) -> str:
        """An int64 vector, the type of ONNX's axes, shapes and indices."""
        return self._initializer(np.array(values, np.int64))

    def save(self, path: Path, outputs: dict[str, str]) -> None:
        """Check and write the model; ``outputs`` maps public name -> tensor."""
        for public, tensor in outputs.items():
            self._nodes.append(helper.make_node("Identity", [tensor], [public]))
        ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, ends, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def _int8_weight(self, value: npt.NDArray[np.float32]) -> str:
        """Symmetric per output channel (axis 0): value ~ int8 * scale. Computed with in float32 all the same."""
        scale = np.abs(value).reshape(len(value), -1).max(1) / 127
        scale = np.where(scale == 0, 1, scale).astype(np.float32).reshape(-1, *[1] * (value.ndim - 1))
        stored = self._initializer(np.round(value / scale).astype(np.int8))
        return self.node("Mul", self.node("Cast", stored, to=FLOAT), self._initializer(scale))

    def _initializer(self, value: npt.NDArray[Any]) -> str:
        name = self._fresh("c")
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name))
        return name

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"
