"""Cut the first encoder layers of whisper-base out of a CTranslate2 file.

`python weights/speech/convert.py MODEL.BIN LAYERS` writes `encoder.safetensors` beside this script.

The file is read as data only, and only if its sha256 is the known one.
"""

import hashlib
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}

Arrays = dict[str, NDArray[Any]]


def read_ctranslate2(path: Path) -> Arrays:
    """All variables of a CTranslate2 `model.bin` (binary version 6) by name."""
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise SystemExit(f"{path}: sha256 is not {SHA256}")
        file.seek(0)
        _unpack(file, "I")  # binary version
        _text(file)  # name of the specification
        _unpack(file, "I")  # its revision
        variables = {}
        for _ in range(_unpack(file, "I")):
            name = _text(file)
            shape = [_unpack(file, "I") for _ in range(_unpack(file, "B"))]
            kind = _TYPES[_unpack(file, "B")]
            variables[name] = np.frombuffer(file.read(_unpack(file, "I")), kind).reshape(shape)
    return variables


def _unpack(file: BinaryIO, layout: str) -> int:
    size = struct.calcsize("<" + layout)
    return int(struct.unpack("<" + layout, file.read(size))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_unpack(file, "H"))[:-1].decode()


def encoder_weights(variables: Arrays, layers: int) -> Arrays:
    """The convolutions and the first ``layers`` layers, named as `services.talkinghead.speech.whisper` has them."""
    out = {}
    for conv in ("conv1", "conv2"):
        for part in ("weight", "bias"):
            out[f"{conv}.{part}"] = variables[f"encoder/{conv}/{part}"]
    for layer in range(layers):
        source, target = f"encoder/layer_{layer}", f"layers.{layer}"
        for part in ("weight", "bias"):
            query, key, value = np.split(variables[f"{source}/self_attention/linear_0/{part}"], 3)
            out[f"{target}.self_attn.q_proj.{part}"] = query
            out[f"{target}.self_attn.v_proj.{part}"] = value
            if part == "weight":  # Whisper's keys have no bias
                out[f"{target}.self_attn.k_proj.weight"] = key
            out[f"{target}.self_attn.out_proj.{part}"] = variables[f"{source}/self_attention/linear_1/{part}"]
            out[f"{target}.fc1.{part}"] = variables[f"{source}/ffn/linear_0/{part}"]
            out[f"{target}.fc2.{part}"] = variables[f"{source}/ffn/linear_1/{part}"]
        for part, theirs in (("weight", "gamma"), ("bias", "beta")):
            out[f"{target}.self_attn_layer_norm.{part}"] = variables[f"{source}/self_attention/layer_norm/{theirs}"]
            out[f"{target}.final_layer_norm.{part}"] = variables[f"{source}/ffn/layer_norm/{theirs}"]
    return {name: np.ascontiguousarray(array, np.float16) for name, array in out.items()}


if __name__ == "__main__":
    model, n_layers = Path(sys.argv[1]), int(sys.argv[2])
    weights = encoder_weights(read_ctranslate2(model), n_layers)
    save_file(
        weights,
        Path(__file__).parent / "encoder.safetensors",
        metadata={"source": "whisper-base encoder (OpenAI, MIT)", "layers": str(n_layers)},
    )
    print(f"{sum(array.nbytes for array in weights.values()) / 1e6:.1f} MB")
