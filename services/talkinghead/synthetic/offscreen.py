"""pyrender without a display: OSMesa is chosen before PyOpenGL is first imported, so import pyrender from here."""

import os

import numpy as np

os.environ.setdefault("PYOPENGL_PLATFORM", "osmesa")
np.infty = np.inf  # type: ignore[attr-defined]  # pyrender 0.1.45 asks numpy 2 for it

import pyrender  # noqa: E402
from OpenGL import GL  # noqa: E402
from pyrender.shader_program import ShaderProgramCache  # noqa: E402

__all__ = ["GL", "ShaderProgramCache", "pyrender"]
