"""The same result however the networks are run, within what the precision allows."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from services.talkinghead.difftalk import checkpoint
from services.talkinghead.difftalk.configuration import SMALL
from services.talkinghead.difftalk.denoiser import Denoiser, build_unet
from services.talkinghead.difftalk.execution import Execution
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.difftalk.onnx_unet import OnnxUNet
from services.talkinghead.difftalk.pipeline import DiffTalk

TOLERANCE = 1e-3
GREY_LEVELS = {"fp32": 0.05, "bf16": 3.0}
"""Mean difference of the change that is made; random weights make a change of dozens of grey levels."""


@pytest.fixture(scope="module")
def stored(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint.save(folder, tiny_model.configuration, tiny_model._denoiser, tiny_model._first_stage)
    return folder


def refined(stored, execution, drafts, frames=slice(None), batch=5):
    configuration, denoiser, first_stage = checkpoint.load(stored)
    model = DiffTalk(configuration, denoiser, first_stage)
    execution.apply(denoiser, first_stage)
    source = model.encode_source(drafts["drafts"][0], drafts["landmarks"][0])
    part = {name: values[frames] for name, values in drafts.items()}
    return model.refine(source, **part, steps=2, seed=1, batch=batch)


@pytest.fixture(scope="module")
def by_torch(stored, drafts):
    return refined(stored, Execution("cpu", "torch"), drafts)


@pytest.mark.parametrize(
    "execution",
    [
        Execution("cpu", "onnxruntime"),
        Execution("cpu", "torch", channels_last=True),
        Execution("cpu", "torch", precision="bf16"),
        Execution("cpu", "torch", precision="bf16", channels_last=True),
    ],
    ids=["onnxruntime", "channels-last", "bf16", "bf16, channels-last"],
)
def test_it_agrees_with_plain_torch(stored, drafts, by_torch, execution):
    off = np.abs(refined(stored, execution, drafts) - by_torch).mean()
    assert off < GREY_LEVELS[execution.precision]
    assert np.abs(by_torch).mean() > 5


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.timeout(900)  # C++ compilers take their time
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_unet_computes_the_same():
    torch.manual_seed(0)
    low = replace(SMALL, unet=replace(SMALL.unet, block_channels=(32,), attention=(False,)))
    denoiser = Denoiser(low).eval()
    torch.nn.init.normal_(denoiser.unet.conv_out.weight, std=0.1)
    latents, context = torch.randn(3, 2, 3, 24, 32), torch.randn(2, 1, 128)
    plain = denoiser(latents[0], 599, latents[1], latents[2], context)
    Execution("cpu", "torch", compile=True).apply(denoiser, build_first_stage(low.first_stage))
    compiled = denoiser(latents[0], 599, latents[1], latents[2], context)
    torch.testing.assert_close(compiled, plain, rtol=0, atol=TOLERANCE)


def test_by_default_a_cpu_takes_onnxruntime(stored):
    _, denoiser, first_stage = checkpoint.load(stored)
    Execution("cpu").apply(denoiser, first_stage)
    assert isinstance(denoiser.accelerated, OnnxUNet)


def test_a_frame_by_onnxruntime_does_not_depend_on_its_neighbours(stored, drafts):
    execution = Execution("cpu", "onnxruntime")
    whole = refined(stored, execution, drafts)
    assert np.array_equal(whole[3:6], refined(stored, execution, drafts, slice(3, 6)))


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 5])
def test_the_small_unet_by_onnxruntime_computes_the_same(batch):
    torch.manual_seed(0)
    unet = build_unet(SMALL).eval()
    inputs, context = torch.randn(batch, 9, 24, 32), torch.randn(batch, 1, 128)
    exported = OnnxUNet(unet, threads=1)
    for level in (0, 599, 999):
        made = unet(inputs, level, context).sample
        torch.testing.assert_close(exported(inputs, level, context), made, rtol=0, atol=TOLERANCE)


def test_attention_is_fused():
    assert all(isinstance(each, AttnProcessor2_0) for each in build_unet(SMALL).attn_processors.values())


@pytest.mark.parametrize(
    ("execution", "named"),
    [
        (Execution("cpu", "onnxruntime", precision="bf16"), "engine"),
        (Execution("cpu", "onnxruntime", compile=True), "engine"),
        pytest.param(
            Execution("cuda"),
            "device",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_settings_that_exclude_each_other_are_named(stored, execution, named):
    _, denoiser, first_stage = checkpoint.load(stored)
    with pytest.raises(ValueError, match=named):
        execution.apply(denoiser, first_stage)
