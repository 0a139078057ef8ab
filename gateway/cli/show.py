"""What the commands print for people, and which keys they print for programs."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.api.answers import RelationsAnswer
from gateway.api.schemas import JobView
from gateway.processes import StartError
from services.common.errors import ProblemError
from services.perception.schemas import Story

Json = dict[str, Any]

OUT: Final = Console(highlight=False)
TOLD: Final = Console(stderr=True, highlight=False)
"""Progress, warnings and errors; standard output holds the answer alone."""

_REFUSED: Final = 1
_LATER: Final = 3

_BAR_WIDTH: Final = 30
_PERSON_KEYS: Final = ("symbol", "box", "score", "attributes")
_OBJECT_KEYS: Final = ("symbol", "box", "name", "score")
_RELATION_KEYS: Final = (
    "pair", "label", "coarse", "probabilities", "abstained", "label_set", "roles", "explanation", "evidence",
)  # fmt: skip

_NARRATION_KEYS: Final = ("script", "pair", "label", "probability")

_HINTS: Final = {
    "no_person": "use a photo that shows people, or give their boxes with --boxes",
    "one_person": "use a photo that shows two or more people, or give their boxes with --boxes",
    "unknown_person": "raconteur story PHOTO lists the symbols",
    "no_face": "use a portrait that looks at the camera",
    "several_faces": "choose one with --face: 0 is the leftmost, largest, or a box x0,y0,x1,y1",
    "face_too_small": "crop the portrait around the face or use a larger picture",
    "audio_silent": "record again, nearer to the microphone",
    "audio_too_long": "cut the speech",
    "unsupported_media": "use JPEG, PNG or WebP for pictures, MP4, MOV or WebM for videos, WAV, MP3 or M4A for speech",
    "service_unavailable": "is the stack running? its logs are in the folder logs of the data folder",
    "consent_missing": "raconteur talk --subject 'Ann Lee' --consent self, or --consent written --reference 'form 12'",
    "unauthorized": "set RACONTEUR_API_KEY; raconteur keys create makes a key",
    "forbidden": "use a key with another scope; raconteur keys create makes one",
    "overloaded": "try again in a moment",
    "rate_limited": "try again in a minute",
    "queue_full": "try again later; raconteur jobs list shows what waits",
    "too_many_jobs": "raconteur jobs list --status queued shows them; raconteur jobs cancel stops one",
    "not_found": "raconteur jobs list shows the jobs there are; finished ones are erased after a day",
    "audio_empty": "give a text or a recording that says something",
    "taxonomy_invalid": "a taxonomy is JSON: {name, labels: [{name, definition}, ...]}",
    "model_unavailable": "raconteur up says which model is missing; see docs/decisions/0002-language-model.md",
}


@contextmanager
def reporting() -> Iterator[None]:
    """A problem ends the command with one line and exit code 1, or 3 where the same command may succeed later."""
    try:
        yield
    except ProblemError as error:
        hint = _HINTS.get(error.code)
        TOLD.print(f"[bold red]{error.code}[/]: {escape(error.detail)}" + (f" [dim]({hint})[/]" if hint else ""))
        raise typer.Exit(_LATER if error.kind.retryable else _REFUSED) from None
    except StartError as error:
        TOLD.print(f"[bold red]not started[/]: {escape(str(error))}")
        raise typer.Exit(_REFUSED) from None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A moving line with the time passed, for a call whose length is not known."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=TOLD, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def progress() -> Iterator[Callable[[JobView], None]]:
    """A bar for a job -> what shall hear of its changes."""
    columns = TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=TOLD) as bars:
        bar = bars.add_task("waiting", total=1.0, left="")

        def on_change(job: JobView) -> None:
            left = "" if job.eta_s is None else f"about {job.eta_s:.0f} s left"
            bars.update(bar, completed=job.progress, description=job.stage, left=left)

        yield on_change


def answer(as_json: bool, told: BaseModel | Json, printed: Callable[[Json], None]) -> None:
    """``told`` as one line of JSON, or ``printed`` for people."""
    values = told.model_dump(mode="json") if isinstance(told, BaseModel) else told
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
    else:
        printed(values)


def story_json(told: Story | RelationsAnswer) -> Json:
    """The keys of ``raconteur story --json``."""
    values = told.model_dump(mode="json")
    return {
        "width": values["width"],
        "height": values["height"],
        "people": [_only(person, _PERSON_KEYS) for person in values["people"]],
        "objects": [_only(thing, _OBJECT_KEYS) for thing in values["objects"]],
        "story": values["story"],
        "warnings": values["warnings"],
    }


def relations_json(told: RelationsAnswer) -> Json:
    """The keys of ``raconteur relate --json``."""
    values = told.model_dump(mode="json")
    relations = [_only(relation, _RELATION_KEYS) for relation in values["relations"]]
    return story_json(told) | {"relations": relations} | _only(values, ("taxonomy", "prompt", "model"))


def video_json(job: JobView, output: Path, captions: Path | None) -> Json:
    """The keys of ``raconteur talk --json``, and of ``narrate``, which adds what was said."""
    made = job.output or {}
    told = {"job": job.id, "output": str(output)} | _only(made, ("width", "height", "fps", "frames", "duration_s"))
    told |= {"warnings": job.warnings, "timings": made["timings_s"]}
    if captions is not None:
        told["captions"] = str(captions)
    return told | {key: made[key] for key in _NARRATION_KEYS if key in made}


def print_story(answer: Json) -> None:
    """The story, and what was warned of."""
    OUT.print(escape(answer["story"]))
    _warn(answer["warnings"])


def print_relations(answer: Json) -> None:
    """Per pair: label, a bar for each probability, explanation."""
    print_story(answer)
    for relation in answer["relations"]:
        first, second = relation["pair"]
        verdict = "not sure" if relation["abstained"] else relation["label"]
        OUT.print(f"\n[bold]{first} and {second}: {escape(verdict)}[/]")
        table = Table.grid(padding=(0, 2))
        for label, share in sorted(relation["probabilities"].items(), key=lambda entry: -entry[1]):
            table.add_row(f"  {escape(label)}", "█" * round(share * _BAR_WIDTH), f"{share:.0%}")
        OUT.print(table)
        if relation["roles"]:
            OUT.print("  " + ", ".join(f"{escape(role)} {who}" for role, who in relation["roles"]["people"].items()))
        if relation["explanation"]:
            OUT.print(f"  {escape(relation['explanation'])}")
        for evidence in relation["evidence"]:
            OUT.print(f"  [dim]{evidence['weight']:+.2f}  {escape(evidence['sentence'])}[/]")


def print_video(told: Json) -> None:
    """Where the video is, how large and how long it is, and how long each stage took."""
    OUT.print(
        f"\n[bold]{escape(told['output'])}[/]: {told['width']}x{told['height']}, {told['duration_s']:.2f} s, "
        f"{told['frames']} frames ({sum(told['timings'].values()):.1f} s of work)"
    )
    if "script" in told:
        OUT.print(escape(told["script"]))
    if "captions" in told:
        OUT.print(f"[dim]captions: {escape(told['captions'])}[/]")
    _warn(told["warnings"])


def print_verdict(told: Json) -> None:
    """One sentence, and what it rests on."""
    mark, credentials = told["watermark"], told["credentials"]
    if told["made_here"]:
        state = "changed since" if told["changed"] else "unchanged"
        OUT.print(f"[bold]made here[/] by job {told['job']}, {state}")
    else:
        OUT.print("[bold]nothing says that it was made here[/] (which proves nothing)")
    signed = "none" if credentials is None else f"{credentials['state']}, signed by {credentials['signed_by'] or '?'}"
    OUT.print(f"  content credentials: {escape(signed)}")
    found = "found" if mark["found"] else "not found"
    OUT.print(f"  watermark: {found} (score {mark['score']:.1f}, needed {mark['threshold']:.1f})")


def print_jobs(answer: Json) -> None:
    """A table, one job a line."""
    table = Table("id", "kind", "status", "stage", "progress", "attempt", "created", box=None)
    for job in answer["jobs"]:
        share = f"{job['progress']:.0%}"
        table.add_row(
            job["id"], job["kind"], job["status"], job["stage"], share, str(job["attempt"]), job["created_at"]
        )
    OUT.print(table)


def print_job(job: Json) -> None:
    """All that is known about one job."""
    table = Table.grid(padding=(0, 2))
    for key, value in job.items():
        table.add_row(key, escape(str(value)))
    OUT.print(table)


def print_prompts(told: Json) -> None:
    """A table, one version a line."""
    table = Table("id", "taxonomy", "name", "hash", "model", "created", "answers", box=None)
    for prompt in told["prompts"]:
        names = (prompt[key] or "" for key in ("id", "taxonomy", "name", "hash", "model", "created_at"))
        table.add_row(*map(escape, names), "yes" if prompt["active"] else "")
    OUT.print(table)


def print_prompt(prompt: Json) -> None:
    """The same of one version."""
    print_prompts({"prompts": [prompt]})


def print_answering(told: Json) -> None:
    """Which prompt answers now."""
    if told["prompt"] is None:
        OUT.print(f"the prompt that ships answers for {told['taxonomy']}")
    else:
        print_prompt(told["prompt"])


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        TOLD.print(f"[yellow]warning[/]: {escape(warning)}")


def _only(values: Json, keys: Iterable[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
