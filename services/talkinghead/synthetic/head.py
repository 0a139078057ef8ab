"""The base mesh: MakeHuman's head through anny, its shapes and ARKit facial actions.

Axes: x right, y back, z up; metres.
"""

from collections.abc import Mapping
from typing import Final

import anny
import numpy as np
import torch
from anny.models.model_data import TopologyConfig

from services.talkinghead.speech.actions import ACTIONS, PAIRED
from services.talkinghead.synthetic.assets import Indices, Points

LEFT_EYE, RIGHT_EYE = range(14598, 14670), range(14670, 14742)
LOWER_TEETH: Final = range(14992, 15060)
_BODY_VERTICES: Final = 13380  # behind them come helpers: tongue, eyes, teeth, lashes, clothes
_HEAD_M: Final = 0.36  # from the crown down to the chest

LANDMARK_VERTICES: Final = np.array([
    267, 5236, 5246, 910, 5241, 737, 5226, 993, 5171, 7687, 10363, 11903, 7455, 7612, 11854, 11798, 7441,
    262, 232, 222, 205, 208, 6983, 6980, 6996, 7005, 7031, 133, 5063, 201, 294, 334, 313, 316, 7072, 7094,
    13, 7, 4865, 6768, 1070, 1334, 7820, 8022, 11466, 7751, 7786, 8013,
    3737, 447, 460, 466, 7210, 11954, 7272, 7238, 7245, 496, 490, 483,
    3735, 459, 509, 7221, 7193, 7279, 540, 534,
])  # fmt: skip
"""The vertex nearest to each of the 68 landmarks that the project's own detector finds on fourteen rendered faces."""


class HeadModel:
    """Loads anny once (its first use builds a cache, which takes minutes); people are cheap after that."""

    def __init__(self) -> None:
        body = anny.Anny(
            rig="makehuman",
            phenotypes="all",
            local_changes="all",
            facial_actions="all",
            topology=TopologyConfig(  # all 19,158 vertices stay, so that the garments' indices fit
                base_mesh="makehuman", nudity_edits=False, remove_unattached_vertices=False, triangulate_faces=True
            ),
        ).float()
        self._body = body
        self.local_changes = frozenset(body.local_change_labels)
        rows = [i for i, label in enumerate(body.blendshape_labels) if label.startswith("facial_action:")]
        shifts = body.blendshapes[rows].numpy()
        self._action_shifts = {
            body.blendshape_labels[row].split(":")[1]: shift for row, shift in zip(rows, shifts, strict=True)
        }
        self.faces: Indices = body.faces.numpy()
        self.uv: Points = body.texture_coordinates.numpy()
        self.uv_faces: Indices = body.face_texture_coordinate_indices.numpy()

        uv_of_vertex = dict(zip(self.faces.reshape(-1).tolist(), self.uv_faces.reshape(-1).tolist(), strict=True))
        self.landmark_uv: Points = self.uv[[uv_of_vertex[vertex] for vertex in LANDMARK_VERTICES.tolist()]]

        template = body.template_vertices.numpy()
        crown = template[:_BODY_VERTICES, 2].max()
        on_head = template[self.faces][:, :, 2].min(1) > crown - _HEAD_M
        skin = (self.faces.max(1) < _BODY_VERTICES) & on_head
        u, v = self.uv[self.uv_faces].mean(1).T
        in_mouth = skin & (u > 0.74) & (v < 0.15)  # where the skin textures keep the inside of the mouth
        self.skin_faces, self.mouth_faces = skin & ~in_mouth, in_mouth
        self.mouth_vertices: Indices = np.unique(self.faces[in_mouth])
        self.eye_faces = [np.isin(self.faces, list(eye)).all(1) for eye in (LEFT_EYE, RIGHT_EYE)]

    @torch.no_grad()
    def rest(self, phenotype: Mapping[str, float], local_changes: Mapping[str, float]) -> Points:
        """Vertices (19158, 3) of a person with a neutral face."""
        body = self._body
        weights = body.get_phenotype_blendshape_coefficients(**phenotype, local_changes=dict(local_changes)).reshape(-1)
        used = weights.nonzero()[:, 0]
        shift = torch.einsum("k,kvc->vc", weights[used].float(), body.blendshapes[used])
        vertices: Points = (body.template_vertices + shift).numpy()
        return vertices

    def express(self, base: Points, actions: Mapping[str, float]) -> Points:
        """Vertices of the person ``base`` with ARKit actions in [0, 1]; teeth, tongue and lashes follow."""
        vertices = base.copy()
        for name, strength in actions.items():
            if abs(strength) > 1e-4:
                vertices += strength * self._action_shifts[name]
        return vertices


def arkit(actions: np.ndarray) -> dict[str, float]:
    """The eleven actions of speech (11,) under ARKit's names, left and right apart."""
    named = {}
    for name, strength in zip(ACTIONS, actions, strict=True):
        for each in (f"{name}Left", f"{name}Right") if name in PAIRED else (name,):
            named[each] = float(strength)
    return named
