"""MakeHuman's CC0 head assets: skins, eyes, teeth, tongue, brows, lashes, hair, and how each is bound to the base mesh.

The folder holds `skins/*.jpg`, `eyes/*.png`, `teeth/teeth_base.{obj,mhclo}` and `teeth/teeth.png`, `tongue/tongue01.*`,
`eyebrows/`, `eyelashes/` and `hair/` with an `.obj`, an `.mhclo` and a texture for every piece.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Points = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class ObjMesh:
    """Triangles of a wavefront file; corners point into vertices and into texture coordinates."""

    uv: Points
    """(n_uv, 2)"""
    faces: Indices
    """(n_faces, 3) of vertices"""
    uv_faces: Indices
    """(n_faces, 3) of texture coordinates"""

    @classmethod
    def read(cls, path: Path) -> "ObjMesh":
        uv, faces, uv_faces = [], [], []
        for line in path.read_text(encoding="utf8", errors="ignore").splitlines():
            kind, *words = line.split() or [""]
            if kind == "vt":
                uv.append([float(word) for word in words[:2]])
            elif kind == "f":
                corners = [[int(number) - 1 for number in word.split("/")[:2]] for word in words]
                for second, third in itertools.pairwise(corners[1:]):
                    triangle = (corners[0], second, third)
                    faces.append([vertex for vertex, _ in triangle])
                    uv_faces.append([texture for _, texture in triangle])
        return cls(np.array(uv, np.float32), np.array(faces), np.array(uv_faces))


class Fit:
    """An `.mhclo` file: each vertex of a piece is a mix of three vertices of the base mesh plus a scaled offset."""

    def __init__(self, path: Path) -> None:
        corners, weights, offsets = [], [], []
        self._scales: dict[str, tuple[int, int, float]] = {}
        in_vertices = False
        for line in path.read_text(encoding="utf8", errors="ignore").splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] in ("x_scale", "y_scale", "z_scale"):
                self._scales[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
            elif words[0] == "verts":
                in_vertices = True
            elif in_vertices and len(words) == 1 and words[0].isdigit():  # lies on one base vertex
                corners.append([int(words[0])] * 3)
                weights.append([1.0, 0.0, 0.0])
                offsets.append([0.0, 0.0, 0.0])
            elif in_vertices and len(words) >= 6:
                corners.append([int(word) for word in words[:3]])
                weights.append([float(word) for word in words[3:6]])
                offsets.append([float(word) for word in words[6:9]] if len(words) >= 9 else [0.0, 0.0, 0.0])
            elif in_vertices and corners:  # a `material` line may stand before the first vertex
                break
        self._corners = np.array(corners)
        self._weights = np.array(weights, np.float32)
        self._offsets = np.array(offsets, np.float32)

    def offsets(self, base: Points) -> Points:
        """Offsets for the rest shape ``base`` (n, 3); MakeHuman's (x, y, z) is our (x, z, -y)."""
        column = {"x": 0, "y": 2, "z": 1}
        scale = {
            axis: abs(base[first, column[axis]] - base[second, column[axis]]) / length
            for axis, (first, second, length) in self._scales.items()
        }
        x, y, z = self._offsets.T
        return np.stack([x * scale["x"], -z * scale["z"], y * scale["y"]], axis=1)

    def bound_to(self, vertices: range) -> NDArray[np.bool_]:
        """(n,) which vertices of the piece hang on these of the base mesh alone."""
        return np.asarray(np.isin(self._corners, vertices).all(1))

    def apply(self, base: Points, offsets: Points) -> Points:
        """Where the piece lies on the base mesh ``base`` of any expression."""
        out: Points = (base[self._corners] * self._weights[..., None]).sum(1) + offsets
        return out


@dataclass(frozen=True)
class Garment:
    """A piece that lies on the base mesh."""

    fit: Fit
    mesh: ObjMesh
    texture: Path


class HeadAssets:
    """The folder of assets; every piece is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._garments: dict[tuple[str, str], Garment] = {}

    @cached_property
    def skins(self) -> list[Path]:
        return sorted((self._folder / "skins").glob("*.jpg"))

    @cached_property
    def eyes(self) -> list[Path]:
        return sorted((self._folder / "eyes").glob("*.png"))

    @property
    def teeth(self) -> Garment:
        return self._garment("teeth", "teeth_base", "teeth.png")

    @property
    def tongue(self) -> Garment:
        return self._garment("tongue", "tongue01", "tongue01_diffuse.png")

    def piece(self, kind: str, name: str) -> Garment:
        """``kind``: eyebrows, eyelashes or hair."""
        diffuse = f"{name}_diffuse.png"
        return self._garment(kind, name, diffuse if (self._folder / kind / diffuse).exists() else f"{name}.png")

    def _garment(self, kind: str, name: str, texture: str) -> Garment:
        if (kind, name) not in self._garments:
            folder = self._folder / kind
            self._garments[kind, name] = Garment(
                Fit(folder / f"{name}.mhclo"), ObjMesh.read(folder / f"{name}.obj"), folder / texture
            )
        return self._garments[kind, name]


def texture(path: Path, size: int, mode: str = "RGB") -> Image.Image:
    """(size, size) pixels of a picture, each the mean of those it covers."""
    return Image.open(path).convert(mode).resize((size, size), Image.Resampling.BOX)
