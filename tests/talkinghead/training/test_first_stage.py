from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from services.common.settings import REPOSITORY
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.first_stage import build_first_stage
from services.talkinghead.training.clips import DrawnClips
from services.talkinghead.training.discriminator import PatchDiscriminator, hinge
from services.talkinghead.training.first_stage import Crops, set_codebook_by_kmeans
from services.talkinghead.training.perceptual import PerceptualDistance


@pytest.fixture(scope="module")
def perceptual() -> PerceptualDistance:
    return PerceptualDistance.load(REPOSITORY / "weights", "tiny")


def test_crops_have_their_size_and_the_model_s_range(footage: Path):
    crops = Crops(DrawnClips(footage, "train", square_px=128, in_a_row=1), (48, 64), seed=0)
    images = torch.stack([crops[number]["images"] for number in range(12)])
    assert images.shape == (12, 3, 48, 64)
    assert images.abs().max() <= 1
    assert not torch.equal(images[0], images[1])
    assert torch.equal(images[3], crops[3]["images"])


def test_codes_lie_where_the_latents_are(tiny_configuration: DiffTalkConfiguration):
    torch.manual_seed(0)
    first_stage = build_first_stage(tiny_configuration.first_stage)
    centres = torch.randn(64, 3)
    latents = centres.repeat(20, 1) + 0.01 * torch.randn(64 * 20, 3)
    set_codebook_by_kmeans(first_stage, latents, seed=0)
    nearest = torch.cdist(latents, first_stage.quantize.embedding.weight).min(1).values
    assert nearest.mean() < 0.2


def test_the_distance_is_the_network_s_own(perceptual: PerceptualDistance):
    """Its third block's features, by onnxruntime: the sum that the next block reads, cut behind the last Relu."""
    model = onnx.load(str(REPOSITORY / "weights" / "perception" / "expression.onnx"))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    wanted = convolutions[23].input[0]  # what the fourth block begins with
    model.graph.output.extend([onnx.helper.make_empty_tensor_value_info(wanted)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    face = np.random.default_rng(0).integers(0, 256, (1, 112, 112, 3)).astype(np.float32)
    (theirs,) = session.run([wanted], {"image": face})
    ours = perceptual._features(torch.from_numpy(face / 127.5 - 1).permute(0, 3, 1, 2))[2]
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-3)


def test_a_blur_looks_less_alike_than_another_light(perceptual: PerceptualDistance, footage: Path):
    square = DrawnClips(footage, "train", square_px=128, in_a_row=1).clips[0].pictures([5])[0]

    def image(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]

    truth, blurred, lit = image(square), image(cv2.GaussianBlur(square, (0, 0), 2)), image(square * 0.9)
    assert perceptual(truth, truth) == 0
    assert perceptual(blurred, truth) > 3 * perceptual(lit, truth)
    made = blurred.clone().requires_grad_()
    perceptual(made, truth).backward()
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_the_discriminator_learns_to_tell_noise_from_calm():
    torch.manual_seed(0)
    judge = PatchDiscriminator()
    optimiser = torch.optim.AdamW(judge.parameters(), 1e-3)
    real, made = torch.zeros(4, 3, 48, 64), torch.randn(4, 3, 48, 64)
    first = last = torch.tensor(0.0)
    for step in range(12):
        last = hinge(judge(real), judge(made))
        first = last.detach() if step == 0 else first
        optimiser.zero_grad()
        last.backward()
        optimiser.step()
    assert judge(real).shape == (4, 1, 6, 8)
    assert last < 0.5 * first
