from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from services.talkinghead.sync.expert import SyncExpert
from services.talkinghead.sync.syncnet import SyncNet, _face, lip_sync_errors


@pytest.fixture(scope="module")
def network() -> SyncNet:
    torch.manual_seed(0)
    return SyncNet().eval()


def test_its_layers_have_the_names_and_shapes_of_the_published_file(network: SyncNet):
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert shapes["netcnnaud.0.weight"] == (64, 1, 3, 3)
    assert shapes["netcnnaud.18.weight"] == (512, 256, 5, 4)
    assert shapes["netcnnaud.19.running_mean"] == (512,)
    assert shapes["netcnnlip.0.weight"] == (96, 3, 5, 7, 7)
    assert shapes["netcnnlip.18.weight"] == (512, 256, 1, 6, 6)
    assert shapes["netfcaud.3.weight"] == shapes["netfclip.3.weight"] == (1024, 512)
    assert len(shapes) == 102


def test_faces_and_sounds_meet_in_1024_values(network: SyncNet):
    with torch.inference_mode():
        assert network.see(torch.rand(1, 3, 5, 224, 224) * 255).shape == (1, 1024)
        assert network.hear(torch.randn(2, 1, 13, 20)).shape == (2, 1024)


def test_a_file_of_weights_is_read_and_another_refused(network: SyncNet, tmp_path: Path):
    torch.save(network.state_dict(), tmp_path / "syncnet_v2.model")
    assert torch.equal(SyncNet.load(tmp_path / "syncnet_v2.model").netfcaud[0].weight, network.netfcaud[0].weight)
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.model")
    (tmp_path / "text.model").write_text("no weights")
    for name in ("other.model", "text.model", "nowhere.model"):
        with pytest.raises(ValueError, match=f"syncnet: .*{name} does not hold SyncNet's weights"):
            SyncNet.load(tmp_path / name)


def test_an_expert_s_file_is_read_and_another_refused(tmp_path: Path):
    expert = SyncExpert()
    save_file(expert.state_dict(), tmp_path / "expert.safetensors")
    assert torch.equal(SyncExpert.load(tmp_path / "expert.safetensors").sharpness, expert.sharpness)
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("other.safetensors", "nowhere.safetensors"):
        with pytest.raises(ValueError, match=f"sync-expert: .*{name} does not hold a sync expert's weights"):
            SyncExpert.load(tmp_path / name)


def test_the_face_is_cut_blue_first_with_its_mouth_in_the_lower_half():
    square = np.zeros((128, 128, 3), np.uint8)
    square[94:98, 62:66] = (200, 0, 0)  # a red mouth
    face = _face(square)
    assert face.shape == (224, 224, 3)
    rows, columns = np.nonzero(face[..., 2] > 150)
    assert not face[..., 0].any()
    assert abs(columns.mean() - 112) < 2
    assert 120 < rows.mean() < 150


def test_figures_are_those_of_the_best_lag(network: SyncNet, monkeypatch: pytest.MonkeyPatch):
    """With towers that see and hear the number of the frame, the right lag has distance 0."""
    frames = 40

    def see(faces: torch.Tensor) -> torch.Tensor:
        number = (faces[:, 0, 0, 112, 112] / 5).round()
        return torch.nn.functional.pad(number[:, None], (0, 1023))

    def hear(mfcc: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(mfcc[:, 0, 0, :1], (0, 1023))

    monkeypatch.setattr(network, "see", see)
    monkeypatch.setattr(network, "hear", hear)
    counted = np.repeat(np.arange(frames, dtype=float), 4)[:, None].repeat(13, 1)
    monkeypatch.setattr("services.talkinghead.sync.syncnet.python_speech_features.mfcc", lambda *_: counted)
    squares = np.broadcast_to((5 * np.arange(frames, dtype=np.uint8))[:, None, None, None], (frames, 128, 128, 3))
    times_s = (np.arange(frames) + 0.5) / 25
    lse_d, lse_c = lip_sync_errors(network, squares, times_s, np.zeros(640 * frames, np.float32))
    assert lse_d == pytest.approx(0, abs=1e-3)
    assert lse_c is not None
    assert 5 < lse_c < 12


def test_sound_shorter_than_a_run_has_no_figure(network: SyncNet):
    times_s = (np.arange(6) + 0.5) / 25
    squares = np.zeros((6, 128, 128, 3), np.uint8)
    assert lip_sync_errors(network, squares, times_s, np.zeros(1000, np.float32)) == (None, None)
