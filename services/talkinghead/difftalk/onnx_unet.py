"""The UNet run by onnxruntime: on a CPU nearly twice as fast as torch, with the same result (docs/decisions/0009)."""

import io
import warnings
from typing import Any, Final

import onnxruntime
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

onnxruntime.disable_telemetry_events()  # nothing that runs here reports to anybody

LARGEST_BYTES: Final = 2**31 - 1
"""An ONNX model is one protobuf message, which holds no more: the paper's UNet (2.1 GB) does not fit."""

_OPSET: Final = 17
_INPUTS: Final = ("inputs", "level", "context")


def fits(unet: UNet2DConditionModel) -> bool:
    """Is it small enough?"""
    return int(sum(tensor.nbytes for tensor in unet.parameters())) <= LARGEST_BYTES


class OnnxUNet:
    """A UNet exported as it stands: what is learned afterwards is not in it."""

    def __init__(self, unet: UNet2DConditionModel, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several models share the cores
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(_exported(unet), options, providers=["CPUExecutionProvider"])

    def __call__(self, inputs: Tensor, level: Tensor | int, context: Tensor) -> Tensor:
        """Inputs (B, 9, h, w), one level for all, context (B, 1, 128), float32 -> (B, 3, h, w)."""
        given = (inputs, torch.as_tensor(level).reshape(1).float(), context)
        (made,) = self._session.run(None, {name: each.numpy() for name, each in zip(_INPUTS, given, strict=True)})
        return torch.from_numpy(made)


class _Sample(nn.Module):
    """diffusers answers with an object, ONNX knows tensors."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, inputs: Tensor, level: Tensor, context: Tensor) -> Tensor:
        made: Tensor = self.unet(inputs, level, context).sample
        return made


def _exported(unet: UNet2DConditionModel) -> bytes:
    """Two to three seconds for the small one, so that no file has to be kept, found again and checked."""
    configuration: Any = unet.config
    example = (
        torch.zeros(2, configuration.in_channels, *configuration.sample_size),
        torch.zeros(1),
        torch.zeros(2, 1, configuration.cross_attention_dim),
    )
    target = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Of tracing: shapes are as fixed as it fears; and the newer exporter makes a second, twice as large model.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Sample(unet).eval(),
            example,
            target,  # type: ignore[arg-type]  # its stubs know paths alone
            input_names=list(_INPUTS),
            output_names=["made"],
            dynamic_axes={"inputs": {0: "batch"}, "context": {0: "batch"}, "made": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    return target.getvalue()
