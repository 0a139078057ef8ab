"""TensorFlow.js graph model -> ONNX: walks the graph from its outputs and writes each node by its rule."""

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weights.convert.onnx_graph import BOOL, FLOAT, INT32, OnnxGraph, Storage
from weights.convert.tfjs_weights import read_graph_model

ONNX_DTYPE: dict[str, int] = {"DT_FLOAT": FLOAT, "DT_INT32": INT32, "DT_BOOL": BOOL}


class TfNode:
    """One TensorFlow node: its operator, inputs (``name`` or ``name:output``) and attributes."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.name: str = raw["name"]
        self.op: str = raw["op"]
        self.inputs: list[str] = [name for name in raw.get("input", []) if not name.startswith("^")]
        self._attributes: dict[str, Any] = raw.get("attr", {})

    def integers(self, key: str) -> list[int]:
        return [int(value) for value in self._attributes.get(key, {}).get("list", {}).get("i", [])]

    def integer(self, key: str, default: int = 0) -> int:
        return int(self._attributes.get(key, {}).get("i", default))

    def flag(self, key: str) -> bool:
        return bool(self._attributes.get(key, {}).get("b", False))

    def dtype(self, key: str) -> int:
        return ONNX_DTYPE[str(self._attributes[key]["type"])]

    def is_integer(self) -> bool:
        return str(self._attributes["T"]["type"]).startswith("DT_INT")

    def text(self, key: str) -> str:
        value: str = self._attributes[key]["s"]
        return value if value in ("SAME", "VALID") else base64.b64decode(value).decode()

    def texts(self, key: str) -> list[str]:
        values = self._attributes.get(key, {}).get("list", {}).get("s", [])
        return [base64.b64decode(value).decode() for value in values]


class GraphModel:
    """The conversion under way: rules ask it for inputs as ONNX tensors or, where they must be known now, as values."""

    def __init__(self, path: Path, storage: Storage) -> None:
        raw, self.weights = read_graph_model(path)
        self.nodes = {name: TfNode(node) for name, node in raw.items()}
        self.onnx = OnnxGraph(path.stem, storage)
        self._made: dict[str, list[str]] = {}

    def tensor(self, reference: str) -> str:
        """ONNX name of ``node`` or ``node:output``, written first if need be (TensorFlow lists nodes in no order)."""
        name, _, output = reference.partition(":")
        pending = [name]
        while pending:  # a stack instead of recursion: graphs are hundreds of nodes deep
            node = self.nodes[pending[-1]]
            sources = [source.partition(":")[0] for source in node.inputs]
            # A constant is written by the rule that takes it as a tensor; many are only looked at.
            missing = [source for source in sources if source not in self._made and not self.is_constant(source)]
            if node.name not in self._made and missing:
                pending += missing
                continue
            if node.name not in self._made:
                self._made[node.name] = self._write(node)
            pending.pop()
        return self._made[name][int(output or 0)]

    def value(self, reference: str) -> npt.NDArray[Any]:
        """Value of an input that must be a constant (axes, kernels, slices)."""
        node = self.nodes[reference.partition(":")[0]]
        while node.op == "Identity":
            node = self.nodes[node.inputs[0].partition(":")[0]]
        if node.op != "Const":
            raise ValueError(f"{reference} is computed ({node.op}), and a constant is needed")
        return self.weights[node.name]

    def is_constant(self, reference: str) -> bool:
        return self.nodes[reference.partition(":")[0]].op == "Const"

    def _write(self, node: TfNode) -> list[str]:
        from weights.convert.tf_rules import RULES  # noqa: PLC0415 - rules are written in terms of this class

        if node.op == "Const":
            return [self.onnx.constant(self.weights[node.name])]
        if node.op not in RULES:
            raise NotImplementedError(f"no rule for {node.op} ({node.name})")
        made = RULES[node.op](self, node)
        return made if isinstance(made, list) else [made]

    def declare_input(self, node: str, name: str, shape: Sequence[int | str], dtype: int) -> None:
        self._made[node] = [self.onnx.input(name, shape, dtype)]


Rule = Callable[[GraphModel, TfNode], str | list[str]]


def convert(
    path: Path,
    target: Path,
    *,
    input_shape: Sequence[int | str],
    outputs: dict[str, str],
    dtype: int = FLOAT,
    storage: Storage = "float16",
) -> None:
    """Write ``target`` with one input ``image`` of ``input_shape`` (N, H, W, C) and the named ``outputs``."""
    model = GraphModel(path, storage)
    placeholder = next(node.name for node in model.nodes.values() if node.op == "Placeholder")
    model.declare_input(placeholder, "image", input_shape, dtype)
    model.onnx.save(target, {public: model.tensor(node) for public, node in outputs.items()})


def as_int64(value: npt.NDArray[Any]) -> list[int]:
    return [int(number) for number in np.reshape(value, -1)]
