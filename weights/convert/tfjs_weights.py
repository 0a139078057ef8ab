"""Reads the weights of TensorFlow.js: a manifest (JSON) and its binary shards, quantised or not."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}


def read_manifest(manifest: list[dict[str, Any]], folder: Path) -> dict[str, npt.NDArray[Any]]:
    """name -> array, dequantised; layouts stay TensorFlow's (convolution kernels are height, width, in, out)."""
    weights: dict[str, npt.NDArray[Any]] = {}
    for group in manifest:
        data = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            quantised = entry.get("quantization", {})
            stored = np.dtype(quantised.get("dtype", entry["dtype"]))
            count = math.prod(entry["shape"])
            value = np.frombuffer(data, stored, count, offset).reshape(entry["shape"])
            offset += count * stored.itemsize
            if "scale" in quantised:
                value = value.astype(np.float32) * np.float32(quantised["scale"]) + np.float32(quantised["min"])
            weights[entry["name"]] = value.astype(_DTYPES[entry["dtype"]])
    return weights


def read_face_api(folder: Path, name: str) -> dict[str, npt.NDArray[Any]]:
    """The weights of one face-api network: ``<name>-weights_manifest.json`` and its shards."""
    manifest = json.loads((folder / f"{name}-weights_manifest.json").read_text())
    return read_manifest(manifest, folder)


def read_graph_model(path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, npt.NDArray[Any]]]:
    """(node name -> node, constant name -> value) of a ``model.json`` in graph-model format."""
    model = json.loads(path.read_text())
    nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
    return nodes, read_manifest(model["weightsManifest"], path.parent)
