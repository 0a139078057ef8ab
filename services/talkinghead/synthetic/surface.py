"""One drawable surface: fixed triangles and texture, vertices that move from frame to frame."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from PIL import Image

from services.talkinghead.synthetic.assets import Indices, Points
from services.talkinghead.synthetic.offscreen import GL, pyrender


def material(
    image: Image.Image,
    roughness: float,
    *,
    cut_out: bool = False,
    tint: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0),
) -> pyrender.MetallicRoughnessMaterial:
    """``cut_out`` drops texels whose alpha is below 0.35 (hair, brows, lashes)."""
    return pyrender.MetallicRoughnessMaterial(
        baseColorTexture=pyrender.Texture(source=image, source_channels="RGBA" if cut_out else "RGB"),
        metallicFactor=0.0,
        roughnessFactor=roughness,
        alphaMode="MASK" if cut_out else "OPAQUE",
        alphaCutoff=0.35,
        doubleSided=True,
        baseColorFactor=tint,  # floats: integers are read as 0..255
    )


class Surface:
    """Corners that share vertex and texture coordinate are merged; normals are the sum of the triangles around."""

    def __init__(self, faces: Indices, uv: Points, uv_faces: Indices, look: pyrender.MetallicRoughnessMaterial) -> None:
        corners = np.stack([faces.reshape(-1), uv_faces.reshape(-1)], axis=1)
        distinct, corner_of = np.unique(corners, axis=0, return_inverse=True)
        self.vertex_of_corner: Indices = distinct[:, 0]
        self._uv = uv[distinct[:, 1]].astype(np.float32)
        self._triangles = corner_of.reshape(-1, 3).astype(np.uint32)
        self._used, local = np.unique(faces, return_inverse=True)
        self._faces = local.reshape(-1, 3)
        self._used_of_corner = np.searchsorted(self._used, self.vertex_of_corner)
        n_faces = len(self._faces)
        self._sum_at_vertices = scipy.sparse.csr_matrix(
            (np.ones(3 * n_faces), (self._faces.reshape(-1), np.repeat(np.arange(n_faces), 3))),
            (len(self._used), n_faces),
        )
        self._look = look
        self._shade: NDArray[np.float32] | None = None

    def darken(self, factors: NDArray[np.floating]) -> None:
        """(n_corners,) in [0, 1]: the renderer throws no shadows, so a mouth's inside is given its own."""
        grey = np.repeat(factors[:, None], 3, axis=1)
        self._shade = np.concatenate([grey, np.ones((len(factors), 1))], axis=1).astype(np.float32)

    def primitive(self, points: Points) -> pyrender.Primitive:
        """(n, 3) points -> what pyrender draws."""
        positions, normals = self._corners(points)
        return pyrender.Primitive(
            positions=positions,
            normals=normals,
            texcoord_0=self._uv,
            indices=self._triangles,
            color_0=self._shade,
            material=self._look,
        )

    def move(self, primitive: pyrender.Primitive, points: Points) -> None:
        """New positions into the vertex buffer of a primitive that was drawn before."""
        columns = [*self._corners(points), self._uv]
        if self._shade is not None:
            columns.append(self._shade)
        data = np.ascontiguousarray(np.hstack(columns), np.float32)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, primitive._buffers[0])
        GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, data.nbytes, data)

    def _corners(self, points: Points) -> tuple[Points, Points]:
        """Positions and normals (n_corners, 3) of base or garment vertices ``points``."""
        vertices = points[self._used]
        a, b, c = (vertices[self._faces[:, i]] for i in range(3))
        normals = self._sum_at_vertices @ np.cross(b - a, c - a)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
        return vertices[self._used_of_corner].astype(np.float32), normals[self._used_of_corner].astype(np.float32)
