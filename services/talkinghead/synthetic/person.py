"""One drawn identity: shape, skin, eyes, teeth, tongue, brows, lashes and hair."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from services.talkinghead.synthetic.assets import Garment, HeadAssets, Indices, Points, texture
from services.talkinghead.synthetic.beard import draw_beard
from services.talkinghead.synthetic.head import LEFT_EYE, LOWER_TEETH, RIGHT_EYE, HeadModel
from services.talkinghead.synthetic.surface import Surface, material

LOCAL_CHANGES: Final = (  # noqa: SIM905 - a list of words reads best as words
    "cheek-volume-incr cheek-bones-incr cheek-inner-incr chin-jaw-drop-incr chin-height-incr chin-prominent-incr "
    "chin-bones-incr chin-width-incr chin-cleft-incr eyebrows-angle-up eyebrows-trans-up eye-height2-incr "
    "eye-scale-incr eye-trans-out eye-trans-up eye-eyefold-up eye-bag-incr forehead-scale-vert-incr head-fat-incr "
    "head-scale-horiz-incr head-scale-vert-incr head-age-incr mouth-lowerlip-height-incr mouth-scale-horiz-incr "
    "mouth-cupidsbow-incr mouth-lowerlip-volume-incr mouth-angles-up mouth-upperlip-height-incr "
    "mouth-upperlip-volume-incr mouth-trans-up mouth-philtrum-volume-incr mouth-laugh-lines-out nose-scale-vert-incr "
    "nose-scale-horiz-incr nose-trans-up nose-hump-incr nose-point-up nose-width2-incr nose-scale-depth-incr "
    "nose-nostrils-width-incr nose-volume-incr"
).split()
HAIR_COLOURS: Final = np.array(
    [[0.05, 0.04, 0.03], [0.12, 0.08, 0.05], [0.25, 0.15, 0.08], [0.45, 0.3, 0.15], [0.3, 0.3, 0.3], [0.35, 0.12, 0.06]]
)
HAIR_CHANCES: Final = {"dark": (0.5, 0.35, 0.05, 0.0, 0.1, 0.0), "light": (0.15, 0.2, 0.25, 0.15, 0.15, 0.1)}
BEARD_SHARE: Final = 0.5
LONG_HAIR: Final = ("long01", "ponytail01", "braid01", "long01", "ponytail01")
SHORT_HAIR: Final = ("short01", "short02", "short04")
GAMMA: Final = 1 / 2.2
EYE_CENTRES: Final = ((0.706, 0.703), (0.289, 0.292))
"""Where the two eyeballs are painted in the eye textures; each fills a disc of radius 0.25."""
EYE_RADIUS: Final = 0.25
UPPER_TEETH_DOWN_M: Final = (0.0015, 0.005)
LOWER_TEETH_DOWN_M: Final = (0.003, 0.0075)
LOWER_TEETH_BACK_M: Final = 0.003
TONGUE_SHIFT_M: Final = np.array([0, 0.001, -0.003])
"""The assets' teeth stand so high that an open mouth shows the lower row alone: people who talk show the upper one."""
DARKNESS_M: Final = 0.02
"""Light falls to 1/e this far behind the lips."""

Placement = Callable[[Points], Points]
"""From the vertices of the base mesh to those of a garment (or of the base mesh itself)."""


class Person:
    """``surfaces`` and ``mouth_surfaces`` are drawn; the second are what shows between the lips."""

    def __init__(self, model: HeadModel, assets: HeadAssets, rng: np.random.Generator) -> None:
        self._model, self._assets = model, assets
        african, asian, caucasian = rng.dirichlet([0.6, 0.6, 0.6])
        gender = float(rng.beta(0.5, 0.5))  # 0 male, 1 female
        phenotype = {
            "gender": gender,
            "age": float(rng.uniform(0.45, 0.95)),
            "muscle": float(rng.uniform(0.3, 0.7)),
            "weight": float(rng.uniform(0.3, 0.8)),
            "height": 0.5,
            "proportions": float(rng.uniform(0.3, 0.7)),
            "african": float(african),
            "asian": float(asian),
            "caucasian": float(caucasian),
        }
        self.base = model.rest(phenotype, self._draw_local_changes(rng))
        self.surfaces: list[tuple[Surface, Placement]] = []
        self.mouth_surfaces: list[tuple[Surface, Placement]] = []
        self._lips_y = self.base[model.mouth_vertices][:, 1].min()

        chances = HAIR_CHANCES["light" if caucasian > 0.5 else "dark"]
        colour = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=chances)] * rng.uniform(0.7, 1.3)
        beard = colour if gender < 0.5 and rng.random() < BEARD_SHARE else None
        self._add_skin(rng, female=gender > 0.5, dark=african > 0.5, beard=beard)
        self._add_eyes(rng, brown_share=0.4 + 0.55 * (1 - caucasian))
        self._add_teeth_and_tongue(rng)
        self._add_hair("eyebrows", f"eyebrow{rng.integers(1, 13):03d}", colour, roughness=0.8)
        self._add_hair("eyelashes", f"eyelashes{rng.integers(1, 5):02d}", np.array([0.05, 0.04, 0.04]), roughness=0.8)
        if rng.random() < 0.8:
            styles = LONG_HAIR if gender > 0.5 else SHORT_HAIR
            self._add_hair("hair", styles[rng.integers(len(styles))], colour, roughness=0.6)

    def _draw_local_changes(self, rng: np.random.Generator) -> dict[str, float]:
        known, changes = self._model.local_changes, {}
        for name in LOCAL_CHANGES:
            mean = 0.25 if name == "mouth-angles-up" else 0.0  # faces at rest look grumpy otherwise
            value = float(np.clip(rng.normal(mean, 0.35), -1, 1))
            if name in known:
                changes[name] = value
            else:
                for side in (f"l-{name}", f"r-{name}"):
                    if side in known:
                        changes[side] = value + float(rng.normal(0, 0.05))
        return changes

    def _add_skin(
        self, rng: np.random.Generator, *, female: bool, dark: bool, beard: NDArray[np.floating] | None
    ) -> None:
        model = self._model
        image = self._draw_skin(rng, female=female, dark=dark)
        if beard is not None:
            image = draw_beard(rng, image, model.landmark_uv, beard)
        look = material(image, rng.uniform(0.45, 0.85))
        skin = Surface(model.faces[model.skin_faces], model.uv, model.uv_faces[model.skin_faces], look)
        self.surfaces.append((skin, _stay))
        mouth = Surface(
            model.faces[model.mouth_faces], model.uv, model.uv_faces[model.mouth_faces], material(image, 0.6)
        )
        self._darken_inside(mouth, self.base, brightness=0.35)
        self.mouth_surfaces.append((mouth, _stay))

    def _draw_skin(self, rng: np.random.Generator, *, female: bool, dark: bool) -> Image.Image:
        """One photographed skin that fits, a share of another, another tint and contrast."""
        sex = "female" if female else "male"
        skins = self._assets.skins
        fitting = [path for path in skins if f"_{sex}_" in path.name and ("dark" in path.name) == dark] or skins
        first, second = (
            np.asarray(texture(pool[rng.integers(len(pool))], 1024), np.float32) for pool in (fitting, skins)
        )
        share = rng.uniform(0, 0.45)
        mixed = first * (1 - share) + second * share
        tint = rng.normal([0.985, 1.005, 1.01], 0.02) * rng.uniform(0.8, 1.15)
        mixed = 255 * np.clip(mixed / 255 * tint, 0, 1) ** rng.uniform(0.8, 1.25)
        return Image.fromarray(mixed.astype(np.uint8))

    def _add_eyes(self, rng: np.random.Generator, brown_share: float) -> None:
        """The helper eyes' own texture coordinates do not fit the eye textures: project from the front."""
        eyes = self._assets.eyes
        brown = [path for path in eyes if "brown" in path.name]
        pool = brown if rng.random() < brown_share else eyes
        iris = texture(pool[rng.integers(len(pool))], 512)
        look = material(ImageEnhance.Color(iris).enhance(rng.uniform(0.35, 0.8)), 0.15)  # the assets' are gaudy
        gaze = rng.normal(0, 0.012, 2)
        for chosen, eye, centre in zip(self._model.eye_faces, (LEFT_EYE, RIGHT_EYE), EYE_CENTRES, strict=True):
            ball = self.base[list(eye)]
            directions = ball - (ball.min(0) + ball.max(0)) / 2
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            from_front = np.arccos(np.clip(-directions[:, 1], -1, 1))[:, None] / (np.pi / 2)
            across = directions[:, [0, 2]]
            across = across / (np.linalg.norm(across, axis=1, keepdims=True) + 1e-6)
            uv = np.zeros((eye[-1] + 1, 2), np.float32)
            uv[list(eye)] = np.array(centre) + gaze + EYE_RADIUS * np.clip(from_front, 0, 1.05) * across
            faces: Indices = self._model.faces[chosen]
            self.surfaces.append((Surface(faces, uv, faces, look), _stay))

    def _add_teeth_and_tongue(self, rng: np.random.Generator) -> None:
        teeth, tongue = self._assets.teeth, self._assets.tongue
        lower_row = teeth.fit.bound_to(LOWER_TEETH)[:, None]
        upper_m = np.array([0, 0, -rng.uniform(*UPPER_TEETH_DOWN_M)])
        lower_m = np.array([0, LOWER_TEETH_BACK_M, -rng.uniform(*LOWER_TEETH_DOWN_M)])
        for garment, image, brightness, shift_m in (
            (teeth, _draw_teeth(rng, texture(teeth.texture, 512)), 1.1, np.where(lower_row, lower_m, upper_m)),
            (tongue, texture(tongue.texture, 512), 0.7, TONGUE_SHIFT_M),
        ):
            surface = Surface(garment.mesh.faces, garment.mesh.uv, garment.mesh.uv_faces, material(image, 0.35))
            placement = self._placement(garment, shift_m)
            self._darken_inside(surface, placement(self.base), brightness)
            self.mouth_surfaces.append((surface, placement))

    def _add_hair(self, kind: str, name: str, colour: np.ndarray, roughness: float) -> None:
        """The texture gives the strands, ``colour`` (linear RGB) the colour."""
        garment = self._assets.piece(kind, name)
        rgba = np.asarray(texture(garment.texture, 512, "RGBA"), np.float32).copy()
        opaque = rgba[..., 3] > 100
        grey = rgba[..., :3].mean(-1)
        strands = np.clip(grey / max(grey[opaque].mean(), 1), 0.4, 2.2)[..., None]
        seen = np.clip(colour, 0.02, 1) ** GAMMA
        rgba[..., :3] = np.clip(255 * strands * seen, 0, 255)
        rgba[~opaque, :3] = 255 * seen
        look = material(Image.fromarray(rgba.astype(np.uint8)), roughness, cut_out=True)
        surface = Surface(garment.mesh.faces, garment.mesh.uv, garment.mesh.uv_faces, look)
        self.surfaces.append((surface, self._placement(garment)))

    def _placement(self, garment: Garment, shift_m: NDArray[np.floating] | float = 0.0) -> Placement:
        """``shift_m``: (n, 3) or (3,), added to where the garment's own fit has it."""
        offsets = (garment.fit.offsets(self.base) + shift_m).astype(np.float32)
        return lambda vertices: garment.fit.apply(vertices, offsets)

    def _darken_inside(self, surface: Surface, points: Points, brightness: float) -> None:
        depth = np.clip(points[surface.vertex_of_corner][:, 1] - self._lips_y, 0, None)
        surface.darken(brightness * np.exp(-depth / DARKNESS_M))


def _draw_teeth(rng: np.random.Generator, image: Image.Image) -> Image.Image:
    """The gums stay; the teeth, grey in the texture, become ivory, with softer gaps between them."""
    rgb = np.asarray(image, np.float32)
    tooth = np.clip((1.35 - rgb[..., 0] / (rgb[..., 1] + 1)) / 0.2, 0, 1)[..., None] * (rgb.max(-1, keepdims=True) > 40)
    grey = rgb.mean(-1, keepdims=True)
    mean = float((grey * tooth).sum() / tooth.sum())
    shade = (1 + rng.uniform(0.3, 0.7) * (grey / mean - 1)).clip(0.3, 1.3)
    green = rng.uniform(0.93, 0.985)
    ivory = 255 * rng.uniform(0.78, 0.95) * np.array([1.0, green, green * rng.uniform(0.82, 0.96)])
    mixed = rgb * (1 - tooth) + ivory * shade * tooth
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8))


def _stay(vertices: Points) -> Points:
    return vertices
