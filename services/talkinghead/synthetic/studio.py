"""Camera, lights and renderer: a person's expression and pose -> picture, mask of the mouth's inside, landmarks."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.talkinghead.synthetic.assets import Points
from services.talkinghead.synthetic.head import LANDMARK_VERTICES, LEFT_EYE, RIGHT_EYE, HeadModel
from services.talkinghead.synthetic.offscreen import ShaderProgramCache, pyrender
from services.talkinghead.synthetic.person import Person, Placement
from services.talkinghead.synthetic.surface import Surface

EYES_PER_PICTURE: Final = 0.25  # the distance of the eyes over the picture's edge


@dataclass(frozen=True)
class Shot:
    """One rendered frame, and what is where in it."""

    rgb: NDArray[np.uint8]
    """(size, size, 3)"""
    on_person: NDArray[np.bool_]
    """(size, size) False on the background."""
    inner_mouth: NDArray[np.uint8]
    """(size, size) 255 where the mouth's inside, teeth or tongue show."""
    landmarks: NDArray[np.float64]
    """(68, 2) pixels; pixel centres are the integers."""


class Studio:
    """One offscreen renderer with one person, camera and set of lights."""

    def __init__(self, model: HeadModel, person: Person, rng: np.random.Generator, size: int = 256) -> None:
        self._model, self._person, self._size = model, person, size
        self._renderer = pyrender.OffscreenRenderer(size, size)
        self._renderer._renderer._program_cache = ShaderProgramCache(shader_dir=_shaders_with_cut_out())
        left, right = (person.base[list(eye)].mean(0) for eye in (LEFT_EYE, RIGHT_EYE))
        self._centre = (left + right) / 2 - np.array([0, 0, 0.035])
        self._pivot = self._centre + np.array([0, 0.09, -0.08])  # about the top of the neck
        field_of_view = np.deg2rad(rng.uniform(14, 28))
        self._focal_px = size / 2 / np.tan(field_of_view / 2)
        distance_m = np.linalg.norm(left - right) / EYES_PER_PICTURE / 2 / np.tan(field_of_view / 2)
        self._camera = np.eye(4)
        self._camera[:3, :3] = np.stack([[1, 0, 0], [0, 0, 1], [0, -1, 0]], axis=1)
        self._camera[:3, 3] = self._centre - np.array([0, distance_m, 0])

        ambient = rng.uniform(0.25, 0.6) * (1 + rng.normal(0, 0.04, 3))
        self._scene = pyrender.Scene(bg_color=[0, 0, 0, 0], ambient_light=ambient)
        self._scene.add(pyrender.PerspectiveCamera(yfov=field_of_view), pose=self._camera)
        for nth in range(rng.integers(1, 4)):
            self._add_light(rng, nth)
        self._groups: tuple[list[tuple[Surface, Placement]], ...] = (person.surfaces, person.mouth_surfaces)
        self._nodes: list[pyrender.Node] = []

    def _add_light(self, rng: np.random.Generator, nth: int) -> None:
        azimuth, elevation = rng.uniform(-1.3, 1.3), rng.uniform(-0.3, 1.1)
        towards = np.array([
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ])  # fmt: skip
        right = np.cross([0.0, 0.0, 1.0], towards)
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(towards, right), towards], axis=1)
        colour = np.clip(1 + rng.normal(0, 0.06, 3), 0.5, 1.5)
        intensity = rng.uniform(1.5, 3.5) / (1 + 0.7 * nth)
        self._scene.add(pyrender.DirectionalLight(color=colour / colour.max(), intensity=intensity), pose=pose)

    def shoot(self, actions: Mapping[str, float], yaw: float, pitch: float, roll: float) -> Shot:
        """``actions``: ARKit's names, in [0, 1]; angles in radians about the neck."""
        vertices = self._model.express(self._person.base, actions)
        turn = rotation(yaw, pitch, roll)

        def pose(points: Points) -> Points:
            turned: Points = (points - self._pivot) @ turn.T + self._pivot
            return turned

        if self._nodes:
            self._renderer._platform.make_current()
            for node, group in zip(self._nodes, self._groups, strict=True):
                for primitive, (surface, place) in zip(node.mesh.primitives, group, strict=True):
                    surface.move(primitive, pose(place(vertices)))
        else:
            self._nodes = [
                self._scene.add(pyrender.Mesh([surface.primitive(pose(place(vertices))) for surface, place in group]))
                for group in self._groups
            ]
        both_sides = pyrender.RenderFlags.SKIP_CULL_FACES
        rgb, depth = self._renderer.render(self._scene, flags=both_sides)
        outside = self._nodes[0].mesh
        outside.is_visible = False
        mouth_depth = self._renderer.render(self._scene, flags=both_sides | pyrender.RenderFlags.DEPTH_ONLY)
        outside.is_visible = True
        inner = (mouth_depth > 0) & (np.abs(mouth_depth - depth) < 1e-4)
        landmarks = self._project(pose(vertices[LANDMARK_VERTICES]))
        return Shot(rgb, depth > 0, inner.astype(np.uint8) * 255, landmarks)

    def _project(self, points: Points) -> NDArray[np.float64]:
        x, y, z = ((points - self._camera[:3, 3]) @ self._camera[:3, :3]).T
        middle = self._size / 2 - 0.5  # pixel centres are the integers
        return np.stack([middle + self._focal_px * x / -z, middle - self._focal_px * y / -z], axis=1)


def rotation(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """(3, 3): about z (up) first, then x (right), then y (back)."""
    (cy, cp, cr), (sy, sp, sr) = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    turn: NDArray[np.float64] = about_y @ about_x @ about_z
    return turn


def _shaders_with_cut_out() -> str:
    """A copy of pyrender's shaders that honours alpha cut-outs, which the original ignores."""
    folder = Path(tempfile.mkdtemp()) / "shaders"
    shutil.copytree(Path(pyrender.__file__).parent / "shaders", folder)
    fragment = folder / "mesh.frag"
    code = fragment.read_text()
    anchor = "    vec3 c_diff = mix(vec3(0.0)"
    if anchor not in code:
        raise RuntimeError("pyrender's mesh.frag has changed: cut-outs cannot be added")
    fragment.write_text(code.replace(anchor, "    if (base_color.a < 0.35) discard;\n" + anchor, 1))
    return str(folder)
