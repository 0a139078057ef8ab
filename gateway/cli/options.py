"""Arguments and options that several commands take, and how they are read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from gateway.client.calls import Pair
from gateway.jobs.inputs import Basis, Rest
from services.common.app import validation_problem
from services.perception.schemas import Box
from services.reasoning.schemas import Taxonomy
from services.talkinghead.schemas import Sampler

_BOXES: Final = TypeAdapter(list[Box])

Builtin = Literal["pisc", "pipa"]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
Photo = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JPEG, PNG or WebP")]
Boxes = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="JSON file with people's boxes [[x0, y0, x1, y1], ...]")
]
TaxonomyName = Annotated[
    str,
    typer.Option(
        help="pisc, pipa or a JSON file with an own one",
        autocompletion=lambda: ["pisc", "pipa"],
    ),
]
JobId = Annotated[str, typer.Argument(help="id of the job")]
Output = Annotated[Path, typer.Option("--output", "-o", help="the MP4 to write")]

Subject = Annotated[str, typer.Option(help="whose face it is")]
ConsentBasis = Annotated[
    Basis | None,
    typer.Option("--consent", help="why it may be animated: it is your own face, by a written consent, ..."),
]
Reference = Annotated[str, typer.Option(help="where a written consent or a licence can be looked up")]
GivenOn = Annotated[str, typer.Option(help="date of the consent; today if left out", metavar="YYYY-MM-DD")]

Voice = Annotated[str | None, typer.Option(help="who reads the text; an unknown name lists those there are")]
Rate = Annotated[float | None, typer.Option(min=0.5, max=2.0, help="how fast the text is read")]
Steps = Annotated[int | None, typer.Option(min=1, max=200, help="denoising steps: more is finer and slower")]
SamplerName = Annotated[Sampler, typer.Option(help="how to go from noise level to noise level")]
Seed = Annotated[int | None, typer.Option(min=0)]
Face = Annotated[
    str | None, typer.Option(help="which of several: its index from the left, largest, or a box x0,y0,x1,y1")
]
Still = Annotated[bool, typer.Option("--still", help="no blink and no sway: only the lower face moves")]
RestOf = Annotated[Rest, typer.Option(help="of a video that is longer than the speech: keep or cut it")]
Draft = Annotated[
    bool | None, typer.Option("--draft/--no-draft", help="of an imported model: begin with a draft of each frame")
]
Progressive = Annotated[
    bool, typer.Option("--progressive", help="of an imported model: each frame is the reference of the next one")
]


def consent_of(subject: str, basis: Basis | None, reference: str, given_on: str) -> dict[str, Any]:
    """Raises ``typer.BadParameter`` with an example where it is not said whose face it is, or why it may speak."""
    if not (subject and basis):
        raise typer.BadParameter(
            "say whose face it is and why it may be animated, for example --subject 'Ann Lee' --consent self, "
            "or --consent written --reference 'form 12 of May 2026'",
            param_hint="--subject and --consent",
        )
    day = given_on or datetime.now(UTC).date().isoformat()
    return {"subject": subject, "basis": basis, "reference": reference, "given_on": day}


def check_folder(path: Path, option: str) -> None:
    """Raises ``typer.BadParameter`` before anything is made that could not be written."""
    if not path.resolve().parent.is_dir():
        raise typer.BadParameter(f"{path}: its folder does not exist", param_hint=option)


def pair_of(text: str, option: str) -> Pair:
    """``P1,P2``"""
    symbols = [symbol.strip() for symbol in text.split(",")]
    if len(symbols) != 2:
        raise typer.BadParameter(f"{text!r} is not two symbols like P1,P2", param_hint=option)
    return symbols[0], symbols[1]


def boxes_of(path: Path | None) -> list[Box] | None:
    """The boxes in a JSON file, in pixels. Raises ``typer.BadParameter``."""
    try:
        return None if path is None else _BOXES.validate_json(path.read_bytes())
    except ValidationError as error:
        detail = validation_problem(error.errors()).detail
        raise typer.BadParameter(f"{path}: no list of boxes [x0, y0, x1, y1]: {detail}", param_hint="--boxes") from None


def taxonomy_of(name: str) -> str | Taxonomy:
    """The name of a built-in one, or what the file holds."""
    if name in ("pisc", "pipa"):
        return name
    if not Path(name).is_file():
        raise typer.BadParameter(f"{name!r} is neither pisc, pipa nor a file", param_hint="--taxonomy")
    try:
        return Taxonomy.model_validate(json.loads(Path(name).read_text(encoding="utf-8")))
    except ValueError as error:
        told = validation_problem(error.errors()).detail if isinstance(error, ValidationError) else str(error)
        raise typer.BadParameter(f"{name}: no taxonomy: {told}", param_hint="--taxonomy") from None
